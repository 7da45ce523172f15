//! A copy of the log that begins late.

use super::tests::{ROOM, SECOND, contents, ordered, reign, short};
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
