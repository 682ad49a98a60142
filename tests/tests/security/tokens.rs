//! OAUTHBEARER: tokens from an endpoint, which the broker checks.

use anyhow::{Context, ensure};
use tidegate_tests::harness::{Gateway, GatewayFile, Mode, Proxy, SecureKafka, eventually};

use super::sales::{Sales, VARIABLE};

/// The gateway's file for tokens of the endpoint at `url`, with a scope.
fn with_tokens(sales: &Sales, url: &str, scope: &str) -> GatewayFile {
    let lines = [
        sales.kafka.ca(),
        format!(
            r#"security.protocol = "sasl_ssl"
sasl.mechanisms = "OAUTHBEARER"

[kafka.sasl.oauthbearer]
method = "oidc"
client.id = "{}"
client.secret = {{ env = "{VARIABLE}" }}
token.endpoint.url = "{url}/token"
scope = "{scope}""#,
            sales.tenant.name
        ),
    ];
    let mut file = sales.kafka.gateway_file(&sales.tenant, &sales.kafka.sasl, &lines);
    file.environment.push((VARIABLE, SecureKafka::CLIENT_SECRET.to_owned()));
    file
}

/// How many tokens the gateway was given.
fn issued(sales: &Sales) -> anyhow::Result<u64> {
    let page = sales.tenant.http.get(&format!("{}/issued/{}", sales.kafka.tokens, sales.tenant.name))?;
    let page: serde_json::Value = serde_json::from_str(&page.text)?;
    page.get("issued").and_then(serde_json::Value::as_u64).context("the page says nothing")
}

#[test]
fn records_flow_with_tokens_and_go_on_when_the_first_tokens_are_over() -> anyhow::Result<()> {
    let sales = Sales::new("tokens")?;
    let gateway = Gateway::start(&sales.tenant, &with_tokens(&sales, &sales.kafka.tokens, "lifetime:6"))?;
    sales.arrive(&gateway)?;
    // The consumer and the producer of dead letters have one each; the broker ends a connection whose token is over.
    let first = issued(&sales)?;
    ensure!(first >= 2, "{first} tokens were issued");
    eventually("both have had two more tokens", || {
        let count = issued(&sales)?;
        ensure!(count >= first + 4, "{count} tokens were issued");
        Ok(())
    })?;
    sales.go_on(&gateway)?;
    gateway.stop()
}

#[test]
fn an_endpoint_that_refuses_the_client_is_named_and_the_secret_is_not() -> anyhow::Result<()> {
    let sales = Sales::new("tokens_refused")?;
    let mut file = with_tokens(&sales, &sales.kafka.tokens, "");
    file.environment.push((VARIABLE, "wrong-secret-5678".to_owned()));
    let parts = ["there is no token to log in with; check `sasl.oauthbearer.token.endpoint.url`", "invalid_client"];
    let (gateway, answer) = sales.refused(&file, &parts)?;
    ensure!(!answer.text.contains("wrong-secret"), "{}", answer.text);
    gateway.terminate()?;
    let end = gateway.end()?;
    ensure!(end.code == Some(0), "it ended with {:?}", end.code);
    ensure!(!end.log.iter().any(|line| line.contains("wrong-secret")), "the secret is shown");
    Ok(())
}

#[test]
fn an_endpoint_that_is_away_is_waited_for() -> anyhow::Result<()> {
    let sales = Sales::new("tokens_away")?;
    let proxy = Proxy::start(&sales.kafka.tokens, Mode::Away)?;
    let parts = ["there is no token to log in with", "Could not connect to server"];
    let (gateway, _) = sales.refused(&with_tokens(&sales, &proxy.url(), ""), &parts)?;
    proxy.set(Mode::Open);
    sales.arrive(&gateway)?;
    gateway.stop()
}

#[test]
fn a_token_that_the_broker_does_not_accept_is_told() -> anyhow::Result<()> {
    let sales = Sales::new("tokens_audience")?;
    let file = with_tokens(&sales, &sales.kafka.tokens, "audience:other");
    sales.stays_out(&file, &["the broker does not accept the token; check the issuer, the audience and the scope"])
}
