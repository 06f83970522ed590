//! Reads settings: a TOML file, then environment variables over it. Knows what a setting is called and how
//! it is written, not what it means: that is `config`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::Context;
use anyhow::bail;
use ipnet::IpNet;
use toml::Value;

use crate::base::secret::Secret;

/// Environment variables begin with this.
pub const ENVIRONMENT_PREFIX: &str = "COUNTERSIGN_";

/// How a value is written, in the file and in the environment.
pub trait Setting: Sized {
    fn from_toml(value: Value) -> Result<Self, String>;
    fn from_text(text: &str) -> Result<Self, String>;
    /// As TOML, without secrets; `None` when unset.
    fn to_toml(&self) -> Option<Value>;
}

/// One documented key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub doc: &'static str,
}

/// Declares the settings: a struct, its defaults and the list of its keys come from one place.
#[macro_export]
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr,)*) => {
        /// As written: what each key means is its doc, and what `countersign config dump` prints.
        #[derive(Debug, Clone)]
        pub struct Settings {
            $($(#[doc = $doc])+ pub $name: $type,)*
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Settings {
            pub const KEYS: &'static [$crate::app::settings::Key] = &[
                $($crate::app::settings::Key { name: stringify!($name), doc: concat!($($doc),+) },)*
            ];

            fn set_toml(&mut self, name: &str, value: toml::Value) -> Option<Result<(), String>> {
                match name {
                    $(stringify!($name) => Some(
                        $crate::app::settings::Setting::from_toml(value).map(|value| self.$name = value)
                    ),)*
                    _ => None,
                }
            }

            fn set_text(&mut self, name: &str, text: &str) -> Option<Result<(), String>> {
                match name {
                    $(stringify!($name) => Some(
                        $crate::app::settings::Setting::from_text(text).map(|value| self.$name = value)
                    ),)*
                    _ => None,
                }
            }

            fn get(&self, name: &str) -> Option<toml::Value> {
                match name {
                    $(stringify!($name) => $crate::app::settings::Setting::to_toml(&self.$name),)*
                    _ => None,
                }
            }
        }
    };
}

/// The keys of `file`, each given to `set`, which answers `None` for one it does not know.
pub fn read_file(
    path: &std::path::Path,
    known: &[Key],
    mut set: impl FnMut(&str, Value) -> Option<Result<(), String>>,
) -> anyhow::Result<()> {
    let place = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {place}"))?;
    let table: toml::Table = text.parse().with_context(|| format!("{place} is not TOML"))?;
    for (name, value) in table {
        match set(&name, value) {
            None => bail!("{place}: unknown key {name:?}{}", nearest(&name, known, str::to_owned)),
            Some(Err(problem)) => bail!("{place}: {name} {problem}"),
            Some(Ok(())) => {}
        }
    }
    Ok(())
}

/// The variables that begin with [`ENVIRONMENT_PREFIX`], each given to `set`.
pub fn read_environment(
    variables: impl Iterator<Item = (String, String)>,
    known: &[Key],
    mut set: impl FnMut(&str, &str) -> Option<Result<(), String>>,
) -> anyhow::Result<()> {
    for (variable, text) in variables {
        let Some(name) = variable.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
        let name = name.to_lowercase();
        // Says where the file is; read before all others.
        if name == "config" {
            continue;
        }
        match set(&name, &text) {
            None => bail!("unknown variable {variable}{}", nearest(&name, known, variable_name)),
            Some(Err(problem)) => bail!("{variable} {problem}"),
            Some(Ok(())) => {}
        }
    }
    Ok(())
}

pub fn variable_name(key: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}", key.to_uppercase())
}

fn nearest(name: &str, known: &[Key], written: impl Fn(&str) -> String) -> String {
    let scored = known.iter().map(|key| (strsim::jaro_winkler(name, key.name), key.name));
    match scored.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((_, nearest)) => format!(" (did you mean {}?)", written(nearest)),
        None => String::new(),
    }
}

impl Setting for String {
    fn from_toml(value: Value) -> Result<Self, String> {
        value.as_str().map(str::to_owned).ok_or_else(|| "must be a string".to_owned())
    }
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
    fn to_toml(&self) -> Option<Value> {
        Some(Value::String(self.clone()))
    }
}

impl Setting for Secret {
    fn from_toml(value: Value) -> Result<Self, String> {
        String::from_toml(value).map(Self::new)
    }
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self::new(text))
    }
    fn to_toml(&self) -> Option<Value> {
        Some(Value::String("(redacted)".to_owned()))
    }
}

impl Setting for i64 {
    fn from_toml(value: Value) -> Result<Self, String> {
        value.as_integer().ok_or_else(|| "must be a whole number".to_owned())
    }
    fn from_text(text: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| "must be a whole number".to_owned())
    }
    fn to_toml(&self) -> Option<Value> {
        Some(Value::Integer(*self))
    }
}

impl Setting for bool {
    fn from_toml(value: Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| "must be true or false".to_owned())
    }
    fn from_text(text: &str) -> Result<Self, String> {
        match text.trim().to_lowercase().as_str() {
            "true" | "1" | "yes" => Ok(true),
            "false" | "0" | "no" => Ok(false),
            _ => Err("must be true or false".to_owned()),
        }
    }
    fn to_toml(&self) -> Option<Value> {
        Some(Value::Boolean(*self))
    }
}

/// An address alone is a network of one.
impl Setting for IpNet {
    fn from_toml(value: Value) -> Result<Self, String> {
        Self::from_text(&String::from_toml(value)?)
    }
    fn from_text(text: &str) -> Result<Self, String> {
        let text = text.trim();
        text.parse::<Self>()
            .or_else(|_| text.parse::<IpAddr>().map(Self::from))
            .map_err(|_| format!("has {text:?}, which is no address or network such as 10.0.0.0/8"))
    }
    fn to_toml(&self) -> Option<Value> {
        Some(Value::String(self.to_string()))
    }
}

/// In the environment an empty value is none.
impl<T: Setting> Setting for Option<T> {
    fn from_toml(value: Value) -> Result<Self, String> {
        T::from_toml(value).map(Some)
    }
    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::from_text(text).map(Some) }
    }
    fn to_toml(&self) -> Option<Value> {
        self.as_ref().and_then(T::to_toml)
    }
}

/// In the environment separated by commas.
impl<T: Setting> Setting for Vec<T> {
    fn from_toml(value: Value) -> Result<Self, String> {
        match value {
            Value::Array(items) => items.into_iter().map(T::from_toml).collect(),
            _ => Err("must be a list".to_owned()),
        }
    }
    fn from_text(text: &str) -> Result<Self, String> {
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(T::from_text).collect()
    }
    fn to_toml(&self) -> Option<Value> {
        Some(Value::Array(self.iter().filter_map(T::to_toml).collect()))
    }
}

/// In the environment `name=sentence`, separated by semicolons.
impl Setting for BTreeMap<String, String> {
    fn from_toml(value: Value) -> Result<Self, String> {
        match value {
            Value::Table(table) => {
                table.into_iter().map(|(name, value)| Ok((name, String::from_toml(value)?))).collect()
            }
            _ => Err("must be a table of strings".to_owned()),
        }
    }
    fn from_text(text: &str) -> Result<Self, String> {
        let items = text.split(';').map(str::trim).filter(|item| !item.is_empty());
        items
            .map(|item| {
                let (name, value) = item.split_once('=').ok_or("must be name=sentence;name=sentence")?;
                Ok((name.trim().to_owned(), value.trim().to_owned()))
            })
            .collect()
    }
    fn to_toml(&self) -> Option<Value> {
        let table = self.iter().map(|(name, value)| (name.clone(), Value::String(value.clone())));
        Some(Value::Table(table.collect()))
    }
}
