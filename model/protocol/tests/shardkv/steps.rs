//! Steps of one move, one by one.
