mod auth_test;
