//! When STUN servers are asked, and what becomes of their answers.

use super::*;
use rand::SeedableRng as _;
use stun_proto::types::attribute::ErrorCode;
use stun_proto::types::prelude::MessageWriteExt as _;

fn at(ms: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(ms)
}

fn server(number: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, number], 3_478))
}

fn local(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 5_000))
}

/// What the first server has sent to an address of ours.
fn received(to: u8, bytes: &[u8]) -> Received<'_> {
    Received { from: server(1), to: local(to), bytes }
}

fn bindings(servers: &[SocketAddr], locals: &[SocketAddr]) -> Bindings {
    let mut bindings = Bindings::new(ChaCha8Rng::from_seed([3; 32]));
    bindings.set(at(0), servers, locals, &mut Vec::new());
    bindings
}

/// When, from where, to where, and what.
type Sent = (u64, SocketAddr, SocketAddr, Vec<u8>);

/// Lets time pass until then; the datagrams with their moments, and all else.
fn run(bindings: &mut Bindings, until: u64) -> (Vec<Sent>, Vec<Told>) {
    let (mut sent, mut rest) = (Vec::new(), Vec::new());
    while let Some(due) = bindings.due().filter(|due| *due <= at(until)) {
        let mut told = Vec::new();
        bindings.on_due(due, &mut told);
        for told in told {
            match told {
                Told::Datagram { from, to, bytes } => {
                    sent.push((due.since(at(0)).as_millis() as u64, from, to, bytes));
                }
                other => rest.push(other),
            }
        }
    }
    (sent, rest)
}

fn answer(question: &[u8], mapped: &str) -> Vec<u8> {
    let question = Message::from_bytes(question).unwrap();
    let mut answer = Message::builder_success(&question, MessageWriteVec::new());
    let mapped = XorMappedAddress::new(mapped.parse().unwrap(), question.transaction_id());
    answer.add_attribute(&mapped).unwrap();
    answer.finish()
}

#[test]
fn a_question_is_repeated_by_the_times_of_the_rfc() {
    let mut bindings = bindings(&[server(1)], &[local(1)]);
    let (sent, told) = run(&mut bindings, 9_499);
    let times: Vec<_> = sent.iter().map(|sent| sent.0).collect();
    assert_eq!(times, [0, 500, 1_500, 3_500, 7_500]);
    assert!(sent.iter().all(|sent| sent.3 == sent_first(&sent.3)), "each a whole question");
    assert!(told.is_empty());
    let (sent, told) = run(&mut bindings, 14_499);
    assert!(sent.is_empty());
    assert!(matches!(told[..], [Told::Server(of, ServerState::Silent)] if of == server(1)));
    let (sent, told) = run(&mut bindings, 24_000);
    assert_eq!((sent[0].0, sent.len()), (14_500, 5));
    assert!(told.is_empty(), "it is known by now");
    assert_eq!(bindings.due(), Some(at(34_000)), "the pause doubles");
}

fn sent_first(bytes: &[u8]) -> Vec<u8> {
    assert_eq!((bytes.len(), bytes[0], bytes[1]), (20, 0, 1));
    bytes.to_vec()
}

#[test]
fn questions_are_spread_and_only_within_a_family() {
    let six: SocketAddr = "[2001:db8::1]:3478".parse().unwrap();
    let mut bindings = bindings(&[server(1), server(2), six], &[local(1), local(2)]);
    let (sent, _) = run(&mut bindings, 499);
    let sent: Vec<_> = sent.iter().map(|sent| (sent.0, sent.1, sent.2)).collect();
    let expected =
        [(0, local(1), server(1)), (50, local(2), server(1)), (100, local(1), server(2)), (150, local(2), server(2))];
    assert_eq!(sent, expected);
}

#[test]
fn what_answers_make_of_a_way() {
    let mut bindings = bindings(&[server(1)], &[local(1)]);
    let mut told = Vec::new();
    let mut ask = |bindings: &mut Bindings, until: u64, mapped: &str| {
        let (sent, _) = run(bindings, until);
        let (ms, _, _, question) = sent.last().expect("it is asked").clone();
        told.clear();
        assert!(bindings.receive(at(ms + 30), received(1, &answer(&question, mapped)), &mut told));
        assert!(!bindings.receive(at(ms + 30), received(1, &answer(&question, mapped)), &mut Vec::new()));
        told.iter().map(|told| format!("{told:?}")).collect::<Vec<_>>()
    };
    let found = |mapped: &str| format!("{:?}", Told::Found(way(mapped.parse().unwrap(), local(1))));
    let lost = |mapped: &str| format!("{:?}", Told::Lost(way(mapped.parse().unwrap(), local(1))));
    let state = |state| format!("{:?}", Told::Server(server(1), state));
    let works = state(ServerState::Works);
    assert_eq!(ask(&mut bindings, 0, "203.0.113.1:6001"), [found("203.0.113.1:6001"), works.clone()]);
    assert_eq!(ask(&mut bindings, 20_030, "203.0.113.1:6001"), [""; 0], "the same as before");
    let moved = [lost("203.0.113.1:6001"), found("203.0.113.1:6009")];
    assert_eq!(ask(&mut bindings, 40_060, "203.0.113.1:6009"), moved);
    let refused = [lost("203.0.113.1:6009"), state(ServerState::Refuses(0))];
    for (until, mapped) in [(60_090, "224.0.0.1:9"), (65_120, "0.0.0.0:9"), (75_150, "[2001:db8::7]:9")] {
        let told = ask(&mut bindings, until, mapped);
        assert_eq!(told, if until == 60_090 { &refused[..] } else { &[] }, "{mapped}");
    }
    assert_eq!(ask(&mut bindings, 95_180, "203.0.113.1:6001"), [found("203.0.113.1:6001"), works]);
    let mut told = Vec::new();
    bindings.set(at(96_000), &[server(1)], &[local(2)], &mut told);
    assert!(matches!(told[..], [Told::Lost(way)] if way.base() == local(1)), "the address is gone");
}

#[test]
fn what_is_doubted_is_asked_at_once_but_not_twice_in_a_second() {
    let mut bindings = bindings(&[server(1)], &[local(1), local(2)]);
    let times = |bindings: &mut Bindings, until: u64| {
        let (sent, told) = run(bindings, until);
        assert!(told.is_empty(), "{told:?}");
        sent.iter().map(|sent| (sent.0, sent.1)).collect::<Vec<_>>()
    };
    bindings.doubt(at(0));
    let (first, _) = run(&mut bindings, 60);
    assert_eq!(first.iter().map(|sent| sent.0).collect::<Vec<_>>(), [0, 50], "they were to be asked anyway");
    let mut told = Vec::new();
    for question in &first {
        let bytes = answer(&question.3, "203.0.113.1:6001");
        let datagram = Received { from: server(1), to: question.1, bytes: &bytes };
        bindings.receive(at(80), datagram, &mut told);
    }
    bindings.doubt(at(999));
    assert_eq!(times(&mut bindings, 999), []);
    bindings.doubt(at(1_100));
    bindings.doubt(at(1_100));
    assert_eq!(times(&mut bindings, 1_200), [(1_100, local(1)), (1_150, local(2))]);
    assert_eq!(times(&mut bindings, 4_000).len(), 4, "two repetitions each");
    bindings.doubt(at(4_000));
    assert_eq!(times(&mut bindings, 4_560).len(), 4, "they begin anew, with short waits");
}

#[test]
fn a_refusal_is_told_with_its_number() {
    let mut bindings = bindings(&[server(1)], &[local(1)]);
    let (sent, _) = run(&mut bindings, 0);
    let question = Message::from_bytes(&sent[0].3).unwrap();
    let mut refusal = Message::builder_error(&question, MessageWriteVec::new());
    refusal.add_attribute(&ErrorCode::builder(500).build().unwrap()).unwrap();
    let mut told = Vec::new();
    assert!(bindings.receive(at(30), received(1, &refusal.finish()), &mut told));
    assert!(matches!(told[..], [Told::Server(_, ServerState::Refuses(500))]));
    assert_eq!(bindings.due(), Some(at(5_030)));
}

#[test]
fn a_server_works_if_it_does_from_one_address() {
    let mut bindings = bindings(&[server(1)], &[local(1), local(2)]);
    let (sent, _) = run(&mut bindings, 60);
    let mut told = Vec::new();
    bindings.receive(at(70), received(2, &answer(&sent[1].3, "203.0.113.1:6001")), &mut told);
    assert!(matches!(told[..], [Told::Found(_), Told::Server(_, ServerState::Works)]));
    let (_, told) = run(&mut bindings, 12_000);
    assert!(told.is_empty(), "from the other address it is silent, which is the address's fault");
}

#[test]
fn hostile_bytes_do_not_panic() {
    use rand::RngExt as _;
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let mut bindings = bindings(&[server(1)], &[local(1)]);
    let (sent, _) = run(&mut bindings, 0);
    let good = answer(&sent[0].3, "203.0.113.1:6001");
    for round in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..=round % 4 {
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
        }
        bytes.truncate(random.random_range(0..=good.len()));
        let mut told = Vec::new();
        bindings.receive(at(1), received(1, &bytes), &mut told);
        let question = run(&mut bindings, 100_000 + 30_000 * round).0;
        assert!(question.len() < 20, "{round}");
    }
}
