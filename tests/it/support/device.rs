//! A device without a browser, and the person who lets it in at another one (RFC 8628).

use countersign::clients::registration::DEVICE_CODE;
use countersign::clients::registration::Registration;

use crate::support::Answer;
use crate::support::Browser;
use crate::support::OAuthClient;
use crate::support::TestServer;
use crate::support::form_of;

/// What a device is given when it asks.
#[derive(Debug, Clone)]
pub struct DeviceCodes {
    pub device: String,
    pub user: String,
}

/// Lets a client ask for people on devices.
pub fn for_devices(registration: &mut Registration) {
    registration.grant_types.push(DEVICE_CODE.to_owned());
}

impl OAuthClient {
    pub async fn device_codes(&self, server: &TestServer, form: &[(&str, &str)]) -> DeviceCodes {
        let answer = self.post(server, "/oauth/device_authorization", form).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        DeviceCodes { device: answer.field("device_code"), user: answer.field("user_code") }
    }

    pub async fn poll(&self, server: &TestServer, device_code: &str) -> Answer {
        Answer::of(self.polling(server, device_code)).await
    }

    /// What [`Self::poll`] sends, not sent yet.
    pub fn polling(&self, server: &TestServer, device_code: &str) -> reqwest::RequestBuilder {
        self.request(server, "/oauth/token", &[("grant_type", DEVICE_CODE), ("device_code", device_code)])
    }
}

impl Browser {
    /// What a person sees who has typed a code.
    pub async fn type_code(&self, user_code: &str) -> Answer {
        self.submit("/device", "/device", &[("user_code", user_code)]).await
    }

    /// Types a code, and sends the decision that follows with `changes` made to it.
    pub async fn decide_on_device(&self, user_code: &str, changes: &[(&str, &str)]) -> Answer {
        let page = self.type_code(user_code).await;
        self.send(&form_of(&page, "/device"), changes).await
    }

    pub async fn allow_device(&self, user_code: &str) {
        let answer = self.decide_on_device(user_code, &[("decision", "approve")]).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}
