//! A small world from a script: two to four players of one lobby and their server, what they do, and faults that strike
//! close together. All checkers of the whole worlds judge it: what they hold for any seed, they hold for any bytes.

use super::script::Script;
use crate::net::{LinkConfig as Conditions, Side};
use crate::profile::Mask;
use crate::profile::star::{
    Clear, Deed, Ears, Fault, Harm, LobbyPlan, Mood, Mouth, Part, Plan, SeatPlan, Talking, Voice, Ways, What, Whom,
    run_plan,
};
use crate::seed::Seed;
use crate::trace::Trace;
use core::time::Duration;
use webstar_core::peer::Channel;

/// When the last fault is over.
const UNTIL: Duration = Duration::from_secs(6);
/// What happens after everybody has come.
const MOST_EVENTS: usize = 12;

/// Two to four players, and what becomes of them.
pub fn small_world(data: &[u8]) {
    let mut script = Script::new(data);
    let seed = Seed::new(script.word().into());
    let plan = plan(&mut script);
    let outcome = run_plan(seed, &plan, &Mask::default(), &mut Trace::new(false), Clear);
    if let Some(red) = outcome.red {
        panic!("{}: {}\n{:?}\n{:?}", red.check, red.why, plan.deeds, plan.faults);
    }
}

fn plan(script: &mut Script<'_>) -> Plan {
    let count = 2 + script.byte() % 3;
    let seats: Vec<SeatPlan> = (0..count).map(|number| seat(script, number)).collect();
    let lobby = LobbyPlan {
        is_safe: [script.byte() % 4 != 3, script.byte() % 4 == 3],
        snapshots: (script.byte() % 4 == 3).then_some(3_000),
        allow_fork: script.byte() % 8 == 7,
        ..LobbyPlan::plain()
    };
    let mouths = (0..count).map(|_| mouth(script)).collect();
    let mut plan = Plan::plain(Mood::Swarm, lobby, seats, UNTIL);
    plan.talking = Talking { mouths, loads: Vec::new() };
    for _ in 0..MOST_EVENTS {
        if script.is_over() {
            break;
        }
        event(script, u16::from(count), &mut plan);
    }
    plan.deeds.sort_by_key(|deed| deed.at);
    plan.faults.sort_by_key(|fault| fault.at);
    plan
}

fn seat(script: &mut Script<'_>, number: u8) -> SeatPlan {
    let calm = ways(script);
    let part = match script.byte() % 8 {
        6 if number > 1 => Part::Spectator,
        7 if number > 1 => Part::Guest,
        _ => Part::Player,
    };
    SeatPlan {
        part,
        enters_at: Duration::from_millis(50) * u32::from(number),
        is_direct: script.byte() % 4 != 3,
        keeps_ticket: script.flag() && part != Part::Guest,
        ..SeatPlan::plain(calm)
    }
}

/// Up to 60 ms one way, and loss up to a tenth where datagrams are.
fn ways(script: &mut Script<'_>) -> Ways {
    let delay = Duration::from_millis(u64::from(script.byte() % 64));
    let loss = f64::from(script.byte().saturating_sub(127)) / 1_280.0;
    let jitter = Duration::from_millis(u64::from(script.byte().saturating_sub(200)));
    let line = Conditions { jitter, keep_order: true, ..Conditions::with_delay(delay) };
    let access = Conditions { loss, jitter, ..Conditions::with_delay(delay / 2) };
    Ways { line: [line; 2], access: [access; 2] }
}

fn mouth(script: &mut Script<'_>) -> Mouth {
    let period = Duration::from_millis(30 + u64::from(script.byte()));
    let channel = script.pick(&[Channel::Ordered, Channel::Reliable, Channel::Latest, Channel::Unreliable]);
    let to = script.pick(&[Ears::All, Ears::Others, Ears::Host, Ears::One, Ears::AllBut]);
    let voice = |channel, to| Voice { channel, to, kind: "move", share: 0.7, longest: 64 };
    Mouth { period, is_steady: false, voices: vec![voice(channel, to), voice(Channel::Ordered, Ears::All)] }
}

/// Something that somebody does, or that happens to somebody.
fn event(script: &mut Script<'_>, seats: u16, plan: &mut Plan) {
    let at = Duration::from_millis(800 + u64::from(script.word()) % 4_000);
    let seat = u16::from(script.byte()) % seats;
    let lasts = (Duration::from_millis(5) * u32::from(script.byte())).min(UNTIL - at);
    let choice = script.byte();
    if let Some(what) = deed(choice, seat, plan) {
        plan.deeds.push(Deed { at, seat, what });
        match what {
            What::Leave => plan.deeds.push(Deed { at: at + lasts, seat, what: What::Enter }),
            What::Hidden(true) => plan.deeds.push(Deed { at: at + lasts, seat, what: What::Hidden(false) }),
            _ => {}
        }
        return;
    }
    let whom = script.pick(&[Whom::Seat(seat), Whom::Host(0), Whom::Heir(0)]);
    let fault = |lasts, whom, harm| Fault { at, lasts, whom, harm };
    let again = Some(lasts).filter(|_| choice & 1 == 0);
    let side = if choice & 1 == 0 { Side::A } else { Side::B };
    plan.faults.push(match choice % 12 {
        0 | 1 => fault(Duration::ZERO, whom, Harm::Crash { is_closed: script.flag(), again }),
        2 => fault(lasts, Whom::Server, Harm::Crash { is_closed: script.flag(), again: None }),
        3 => fault(lasts, whom, Harm::Cut),
        4 => fault(lasts, whom, Harm::OneWay(side)),
        5 => fault(Duration::ZERO, whom, Harm::Reset),
        6 => fault(Duration::ZERO, whom, Harm::HalfOpen),
        7 => fault(lasts, whom, Harm::Sleeps),
        8 => fault(lasts, whom, Harm::Mute),
        9 => fault(lasts, whom, Harm::Unheard),
        10 => fault(lasts, whom, Harm::Alone),
        _ => fault(lasts, Whom::Seat(seat), Harm::Island(vec![seat, (seat + 1) % seats], script.flag())),
    });
}

/// What is done, with one choice in four.
fn deed(choice: u8, seat: u16, plan: &Plan) -> Option<What> {
    let what = match choice.checked_sub(192)? % 8 {
        0 | 1 => What::HandOver,
        2 => What::HandOverTo(seat),
        3 => What::Leave,
        4 => What::Kick,
        5 if plan.seats[usize::from(seat)].part == Part::Player => What::Hidden(true),
        6 => What::Start,
        _ => What::Ready(true),
    };
    Some(what)
}
