//! What the sensor tells its operators.

pub mod doctor;
mod policy;
