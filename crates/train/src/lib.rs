//! Policy gradient for banks of adapters.
