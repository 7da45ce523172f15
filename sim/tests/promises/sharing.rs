//! Two sessions with bulk to send over one bottleneck.

use std::time::Duration;
use webstar_core::config::SessionConfig;
use webstar_core::id::{PathId, SessionId};
use webstar_core::session::pipe::{Control, PipeFacts};
use webstar_core::session::{Outbound, Session, SessionEvent, SessionIds};
use webstar_core::time::Instant;
use webstar_core::wire::frame::{Delivery, Priority};
use webstar_sim::net::{Arrival, Bandwidth, LinkConfig as Conditions, Pipe, Side};
use webstar_sim::seed::Seed;

const PATH: PathId = PathId(0);
const CHUNK: usize = 64 * 1024;

/// One sender and its receiver.
struct Flow {
    ends: [Session; 2],
    begins: Instant,
    delivered: u64,
}

impl Flow {
    fn new(number: u64, begins: Duration) -> Self {
        let ids = [SessionId(2 * number), SessionId(2 * number + 1)];
        let end = |ours: usize| {
            let ids = SessionIds { ours: ids[ours], theirs: ids[1 - ours] };
            let mut end = Session::new(SessionConfig::default(), ids, Instant::ZERO).expect("the defaults are valid");
            assert!(end.open_path(Instant::ZERO, PATH, PipeFacts { max_packet: 1150, control: Control::Own }));
            end.use_path(Some(PATH));
            end
        };
        Flow { ends: [end(0), end(1)], begins: Instant::ZERO + begins, delivered: 0 }
    }

    /// Keeps the sender supplied and takes what has arrived.
    fn work(&mut self, now: Instant) {
        while now >= self.begins && self.ends[0].queued(Priority::Low) < 8 * CHUNK {
            // A payload that does not compress: every byte counts on the path.
            let mut state = self.delivered ^ now.as_nanos() as u64;
            let noise = (0..CHUNK).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            });
            let payload = noise.collect::<Vec<u8>>().into();
            let message = Outbound { priority: Priority::Low, delivery: Delivery::Reliable, key: 0, payload };
            self.ends[0].send(now, message).expect("there is room");
        }
        while let Some(event) = self.ends[1].poll_event() {
            if let SessionEvent::Message(message) = event {
                self.delivered += message.payload.len() as u64;
            }
        }
        while self.ends[0].poll_event().is_some() {}
    }
}

/// Lets the flows run over one bottleneck; tells what each delivered between `from` and `until`.
fn share(mut flows: [Flow; 2], loss: f64, from: Duration, until: Duration) -> [u64; 2] {
    let bandwidth = Some(Bandwidth { bits_per_s: 20_000_000, queue: 64 });
    let conditions = Conditions { loss, bandwidth, ..Conditions::with_delay(Duration::from_millis(50)) };
    let mut pipe = Pipe::datagrams(Seed::new(7), Instant::ZERO, conditions);
    let (mut now, mut before) = (Instant::ZERO, None);
    let mut packet = Vec::new();
    while now < Instant::ZERO + until {
        while let Some((side, arrival)) = pipe.poll(now) {
            let Arrival::Packet(bytes) = arrival else { continue };
            let end = &mut flows[usize::from(bytes[0])].ends[usize::from(side == Side::B)];
            end.on_packet(now, PATH, &bytes[1..]);
            pipe.recycle(side, bytes);
        }
        for (name, flow) in flows.iter_mut().enumerate() {
            flow.work(now);
            for (end, side) in flow.ends.iter_mut().zip(Side::BOTH) {
                end.on_timeout(now);
                loop {
                    packet.clear();
                    let mut envelope = |_, out: &mut Vec<u8>| out.push(name as u8);
                    if end.poll_packet(now, &mut packet, &mut envelope).is_none() {
                        break;
                    }
                    pipe.send(now, side, &packet).expect("a datagram pipe takes everything");
                }
            }
        }
        if now >= Instant::ZERO + from && before.is_none() {
            before = Some([flows[0].delivered, flows[1].delivered]);
        }
        let ends = flows.iter().flat_map(|flow| &flow.ends);
        let deadlines = ends.filter_map(|end| end.deadline(now).map(|(at, _)| at));
        let next = deadlines.chain(pipe.next_deadline()).min().unwrap_or(now);
        now = next.max(now + Duration::from_micros(10)).min(now + Duration::from_millis(50));
    }
    let before = before.expect("the time measured lies within the run");
    [flows[0].delivered - before[0], flows[1].delivered - before[1]]
}

fn assert_fair(what: &str, delivered: [u64; 2]) {
    let first = delivered[0] as f64 / (delivered[0] + delivered[1]) as f64;
    println!("{what}: {:.0}:{:.0}", first * 100.0, 100.0 - first * 100.0);
    assert!((0.4..=0.6).contains(&first), "{what}: {first}");
}

#[test]
fn two_bulks_share_a_path_fairly() {
    let second = Duration::from_secs;
    for loss in [0.0, 0.02] {
        let together = [Flow::new(0, second(0)), Flow::new(1, second(0))];
        assert_fair(&format!("both at once, {loss} loss"), share(together, loss, second(3), second(13)));
        let later = [Flow::new(0, second(0)), Flow::new(1, second(2))];
        assert_fair(&format!("one two seconds later, {loss} loss"), share(later, loss, second(5), second(15)));
    }
}
