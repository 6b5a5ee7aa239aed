//! What the sensor tells its operators.

pub mod doctor;
