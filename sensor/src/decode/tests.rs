//! Records as the kernel writes them, and the events they become.
