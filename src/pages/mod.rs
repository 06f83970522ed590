//! The face for people: HTML, without a line of script but for [`docs`] and [`form_post`].
//!
//! A page's template struct stands above its handler and holds what is ready to show. [`page::Page`] is the only way
//! from a template to an answer, [`form::Form`] the only way in for what is posted, and [`headers::security_headers`]
//! goes around all of it.

pub mod admin;
pub mod assets;
pub mod error;
pub mod form;
pub mod headers;
pub mod page;
pub mod paging;
pub mod parts;
pub mod words;

pub mod home;
pub mod login;
pub mod logout;
pub mod register;

pub mod invitation;

pub mod authorize_error;
pub mod consent;
pub mod device;
pub mod form_post;

pub mod settings;

pub mod docs;
pub mod errors;
pub mod playground;
