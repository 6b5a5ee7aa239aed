//! People who were there before the sensor.

use activity_tests::{
    here,
    people::{ALICE, Human},
};

use crate::{
    expect::{PLAIN, Step},
    play::Play,
    switches::switched,
};

#[test]
fn a_login_from_before_the_sensor_is_known_with_its_address_its_key_and_its_steps() {
    let Some(mut play) = Play::begin(here!()) else { return };
    let mut alice = play.stage.log_in(Human::Alice, ALICE);
    play.begin_anew();
    play.act(&mut alice, &[Step { name: "before", line: "touch MARK", expect: PLAIN }]);
    play.act(
        &mut alice,
        &[Step {
            name: "before-root",
            line: "sudo touch MARK",
            expect: switched(&[ALICE, "root"], &["sudo"]),
        }],
    );
    play.end();
}
