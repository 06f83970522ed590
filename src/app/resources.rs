//! The APIs that tokens are for (RFC 8707): this server's own, and those that the configuration names. And where each
//! says of itself what it is (RFC 9728 §3).

use anyhow::Context;
use anyhow::ensure;
use url::Position;
use url::Url;

use crate::app::links::Links;

/// Comes before the path of a resource.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

#[derive(Debug, Clone)]
pub struct Resources {
    own: Resource,
    others: Vec<Resource>,
}

#[derive(Debug, Clone)]
pub struct Resource {
    /// As the configuration writes it, and as tokens carry it in `aud`.
    pub identifier: String,
    url: Url,
}

impl Resources {
    pub fn new(links: &Links, configured: Vec<String>) -> anyhow::Result<Self> {
        let own = Resource::new(links.issuer().to_owned())?;
        let others = configured.into_iter().filter(|resource| *resource != own.identifier);
        Ok(Self { others: others.map(Resource::new).collect::<Result<_, _>>()?, own })
    }

    /// This server's own API.
    pub fn own(&self) -> &Resource {
        &self.own
    }

    fn all(&self) -> impl Iterator<Item = &Resource> + Clone {
        std::iter::once(&self.own).chain(&self.others)
    }

    /// One by its identifier.
    pub fn find(&self, identifier: &str) -> Option<&Resource> {
        self.all().find(|resource| resource.identifier == identifier)
    }

    /// The one that a client means, in whatever equal way it writes the URL (RFC 3986 §6.2): scheme and host in any case,
    /// and the slash behind a host that libraries put there by themselves.
    pub fn meant(&self, asked: &str) -> Option<&Resource> {
        let url = Url::parse(asked).ok()?;
        self.find(asked).or_else(|| self.all().find(|resource| resource.url == url))
    }

    /// The one that is described at this address. Of several with one path it is that of the host
    /// that was asked, or else the first.
    pub fn described_at(&self, path_and_query: &str, host: Option<&str>) -> Option<&Resource> {
        let mut found =
            self.all().filter(|resource| resource.well_known_path().as_deref() == Some(path_and_query));
        let first = found.clone().next();
        found.find(|resource| host.is_some_and(|host| resource.is_at(host))).or(first)
    }
}

impl Resource {
    /// RFC 8707 §2: an absolute URI without fragment.
    fn new(identifier: String) -> anyhow::Result<Self> {
        let url = Url::parse(&identifier)
            .with_context(|| format!("resources: {identifier:?} is not an absolute URI"))?;
        ensure!(url.fragment().is_none(), "resources: {identifier:?} has a fragment");
        Ok(Self { identifier, url })
    }

    fn is_on_the_web(&self) -> bool {
        matches!(self.url.scheme(), "http" | "https")
    }

    fn is_at(&self, host: &str) -> bool {
        let asked = Url::parse(&format!("{}://{host}", self.url.scheme()));
        asked.is_ok_and(|asked| asked.origin() == self.url.origin())
    }

    /// Where requests to it go: scheme, host and port. `None` if it is no address on the web.
    pub fn origin(&self) -> Option<String> {
        self.is_on_the_web().then(|| self.url.origin().ascii_serialization())
    }

    /// As people know it.
    pub fn name(&self) -> &str {
        let name = &self.url[Position::BeforeHost..Position::AfterPath];
        if self.is_on_the_web() { name.trim_end_matches('/') } else { &self.identifier }
    }

    /// RFC 9728 §3.1: between host and path. A slash right after the host is none of the path; any other is.
    fn well_known_path(&self) -> Option<String> {
        let path = &self.url[Position::BeforePath..Position::AfterQuery];
        let path = if self.url.path() == "/" { path.strip_prefix('/').unwrap_or(path) } else { path };
        self.is_on_the_web().then(|| format!("{WELL_KNOWN}{path}"))
    }

    /// Where it says what it is, on its own host.
    pub fn metadata_url(&self) -> Option<String> {
        Some(format!("{}{}", self.origin()?, self.well_known_path()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(others: &[&str]) -> Resources {
        let others = others.iter().map(|text| (*text).to_owned()).collect();
        Resources::new(&Links::new("https://auth.example").unwrap(), others).unwrap()
    }

    #[test]
    fn the_well_known_part_comes_between_host_and_path() {
        for (resource, url) in [
            ("https://api.example", "https://api.example/.well-known/oauth-protected-resource"),
            ("https://api.example/", "https://api.example/.well-known/oauth-protected-resource"),
            ("https://api.example/mcp", "https://api.example/.well-known/oauth-protected-resource/mcp"),
            ("https://api.example/mcp/", "https://api.example/.well-known/oauth-protected-resource/mcp/"),
            (
                "https://API.example:8443/a?b=c",
                "https://api.example:8443/.well-known/oauth-protected-resource/a?b=c",
            ),
            ("https://api.example/?b=c", "https://api.example/.well-known/oauth-protected-resource?b=c"),
        ] {
            let resource = Resource::new(resource.to_owned()).unwrap();
            assert_eq!(resource.metadata_url().as_deref(), Some(url));
        }
        assert_eq!(Resource::new("urn:files".to_owned()).unwrap().metadata_url(), None);
    }

    #[test]
    fn a_url_is_known_in_every_equal_way_of_writing_it() {
        let resources = resources(&[
            "https://API.example",
            "https://mail.example/",
            "https://api.example/mcp",
            "urn:Files",
        ]);
        let meant = |asked: &str| resources.meant(asked).map(|resource| resource.identifier.clone());

        for (asked, identifier) in [
            ("https://auth.example/", "https://auth.example"),
            ("https://api.example/", "https://API.example"),
            ("https://mail.example", "https://mail.example/"),
            ("HTTPS://Api.Example/mcp", "https://api.example/mcp"),
            ("https://api.example:443/mcp", "https://api.example/mcp"),
            ("URN:Files", "urn:Files"),
        ] {
            assert_eq!(meant(asked).as_deref(), Some(identifier), "{asked}");
        }
        for other in [
            "https://api.example//",
            "https://api.example/mcp/",
            "https://api.example/MCP",
            "https://api.example/mcp?",
            "https://api.example/%6dcp",
            "http://api.example/mcp",
            "https://me@api.example/mcp",
            "urn:files",
            "",
        ] {
            assert_eq!(meant(other), None, "{other}");
        }
    }

    #[test]
    fn the_host_chooses_between_resources_of_one_path() {
        let resources =
            resources(&["https://api.example", "https://mail.example", "https://api.example/mcp"]);
        let described = |path: &str, host: Option<&str>| {
            let found = resources.described_at(&format!("{WELL_KNOWN}{path}"), host);
            found.map(|resource| resource.identifier.as_str().to_owned())
        };

        assert_eq!(described("", Some("mail.example")).as_deref(), Some("https://mail.example"));
        assert_eq!(described("", Some("API.example:443")).as_deref(), Some("https://api.example"));
        assert_eq!(described("", Some("evil.example")).as_deref(), Some("https://auth.example"));
        assert_eq!(described("", None).as_deref(), Some("https://auth.example"));
        assert_eq!(described("/mcp", Some("auth.example")).as_deref(), Some("https://api.example/mcp"));
        assert_eq!(described("/mcp/", None), None);
        assert_eq!(described("/mcp?", None), None);
    }
}
