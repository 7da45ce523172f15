//! Copies of the log that begin late, or go on where another one ends.

use super::tests::{FIRST, ROOM, SECOND, contents, ordered, reign, short};
use super::*;

#[test]
fn a_copy_that_begins_late_gets_what_stands_before_and_is_like_any_other() {
    let mut host = short();
    host.adopt(SECOND, []);
    host.append(SECOND, ordered(1, 2));
    let source = reign(2);
    let late = |host: &Log| {
        let (copy, from) = host.late_copy(None, Position(3));
        assert_eq!((copy.cut, copy.end, from), (Position(3), Position(5), Position(3)));
        let mut backup = Log::from_copy(&copy, SECOND, Some(source));
        for entry in host.after(from).cloned().collect::<Vec<_>>() {
            assert!(backup.store(entry, ROOM));
        }
        assert_eq!(backup.log_end(), host.log_end());
        assert_eq!(backup.table().rows(), host.table().rows());
        assert!(backup.is_late());
        backup
    };
    let past = host.past_of(Position(3)).expect("something stands before");
    let mut backup = late(&host);
    assert!(!backup.expect_past(&past, reign(1)), "of another host");
    assert!(backup.expect_past(&past, source));
    for position in [2, 3, 1] {
        assert_eq!(backup.cut(), Position(3));
        assert!(backup.store(host.entry(Position(position)).expect("it is there").clone(), ROOM));
    }
    assert_eq!((backup.cut(), contents(&backup), backup.bytes()), (Position(0), contents(&host), host.bytes()));
    assert_eq!(backup.copy(None), host.copy(None));
    assert!(!backup.is_late());
    // What is cut meanwhile is wanted no more.
    let mut backup = late(&host);
    assert!(backup.expect_past(&past, source));
    backup.cut_to(Position(4));
    host.cut_to(Position(4));
    assert_eq!((contents(&backup), backup.bytes()), (contents(&host), host.bytes()));
    assert_eq!(host.past_of(Position(4)), None);
}

#[test]
fn what_a_new_host_fetches_goes_on_where_its_own_log_ends() {
    let best = short();
    let own = best.up_to(Position(2));
    let told = |end: u64, epoch: Epoch| Some(LogEnd { whole_in: epoch, end: Position(end) });
    let given = |theirs: Option<LogEnd>| {
        let (copy, from) = best.copy_on(theirs);
        let mut fetched = Log::fetched(&copy, FIRST, Some(&own));
        for entry in best.after(from).cloned().collect::<Vec<_>>() {
            assert!(fetched.store(entry, ROOM));
        }
        assert_eq!((fetched.log_end(), contents(&fetched)), (best.log_end(), contents(&best)));
        assert_eq!(fetched.table(), best.table());
        from
    };
    assert_eq!(given(told(2, FIRST)), Position(2));
    // Of another epoch, longer than the best, or none: all is sent.
    assert_eq!([told(2, SECOND), told(9, FIRST), None].map(given), [Position(0); 3]);
}
