mod auth_test;
mod credentials;
mod insecure;
mod session;
mod session_refresh;
mod session_refusals;
mod throttle;
