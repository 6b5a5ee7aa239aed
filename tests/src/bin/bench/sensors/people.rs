//! Who uses the hosts.

use super::PEOPLE;

/// Names that fifty people have.
const NAMES: [&str; 25] = [
    "alice", "bob", "carla", "deniz", "erik", "fatima", "goran", "hanna", "ivan", "julia", "kofi", "lena",
    "marta", "nils", "olga", "pavel", "quentin", "rosa", "sven", "tamar", "ugo", "vera", "wei", "xenia",
    "yusuf",
];

/// One of them.
#[derive(Clone, Debug)]
pub struct Person {
    pub uid: u32,
    pub name: String,
    /// Where they come from.
    pub address: String,
    pub key: String,
}

/// All of them.
pub fn people() -> Vec<Person> {
    (0..PEOPLE).map(person).collect()
}

fn person(number: u32) -> Person {
    let name = NAMES.get(number as usize % NAMES.len()).copied().unwrap_or("zoe");
    let name = if number < 25 { name.to_owned() } else { format!("{name}{}", number / 25) };
    // Two of them have one key.
    let key_of = if number == 26 { 1 } else { number };
    let mut random = fastrand::Rng::with_seed(0x5eed_0000 + u64::from(key_of));
    let key: String = (0..43).map(|_| random.alphanumeric()).collect();
    let address = if number.is_multiple_of(7) {
        format!("198.51.100.{}", 10 + number)
    } else {
        format!("10.8.{}.{}", number % 4, 10 + number)
    };
    Person { uid: 1000 + number, name, address, key: format!("SHA256:{key}") }
}
