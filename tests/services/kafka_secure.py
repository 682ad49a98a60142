"""The same Kafka as `kafka.py` starts, as a second broker whose clients have to say who they are.

A process of its own, so that the plain broker, which benchmarks measure, costs what it cost.
"""

import cache
import certificates
import process
import tokens
from kafka import Kafka, VERSION, format_storage

USER, PASSWORD = "tidegate", "kafka-secret-1234"

# Names of listeners are in small letters where they are part of a key. Without its class named, Kafka 4.1's default
# validator takes tokens of any signature and any audience.
PROPERTIES = """
listener.name.sasl.ssl.keystore.location={folder}/server.keystore.pem
listener.name.mutual.ssl.keystore.location={folder}/server.keystore.pem
listener.name.mutual.ssl.client.auth=required
listener.name.expired.ssl.keystore.location={folder}/expired.keystore.pem
listener.name.named.ssl.keystore.location={folder}/named.keystore.pem
ssl.keystore.type=PEM
ssl.truststore.type=PEM
ssl.truststore.location={certificates}/ca.pem
listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.sasl.connections.max.reauth.ms=3600000
listener.name.sasl.plain.sasl.jaas.config=\
  org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.oauthbearer.sasl.jaas.config=\
  org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;
listener.name.sasl.oauthbearer.sasl.server.callback.handler.class=\
  org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler
sasl.oauthbearer.jwt.validator.class=org.apache.kafka.common.security.oauthbearer.BrokerJwtValidator
sasl.oauthbearer.jwks.endpoint.url={jwks}
sasl.oauthbearer.expected.audience={audience}
sasl.oauthbearer.expected.issuer={issuer}
"""


class KafkaSecure(Kafka):
    name = "kafka-secure"
    listeners = {"SASL": "SASL_SSL", "MUTUAL": "SSL", "EXPIRED": "SSL", "NAMED": "SSL"}
    heap = "256m"

    def install(self):
        super().install()
        self.certificates = certificates.folder()
        self.jwks = f"file://{self.certificates}/jwks.json"
        self.template = cache.entry(f"kafka-{VERSION}-formatted-secure",
                                    lambda to: format_storage(self.libs, to, scram_users()))

    def prepare(self, data):
        super().prepare(data)
        self.tokens = tokens.Tokens(self.certificates / "tokens.key")
        self.folder = data.with_suffix(".keystores")
        self.folder.mkdir(mode=0o700)
        for name in ("server", "expired", "named"):
            parts = [(self.certificates / f"{name}.{kind}").read_text() for kind in ("key", "pem")]
            (self.folder / f"{name}.keystore.pem").write_text("".join(parts))

    def properties(self):
        return super().properties() + PROPERTIES.format(
            folder=self.folder, certificates=self.certificates, user=USER, password=PASSWORD, jwks=self.jwks,
            audience=tokens.AUDIENCE, issuer=tokens.ISSUER)

    def options(self):
        # Without it the broker refuses to read keys from a file; few records pass here, so the first compiler does.
        return [f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self.jwks}", "-XX:TieredStopAtLevel=1"]

    def env(self):
        at = {name: f"127.0.0.1:{port}" for name, port in self.ports.items()}
        return {
            "TIDEGATE_TEST_KAFKA_SECURE": at["PLAINTEXT"],
            "TIDEGATE_TEST_KAFKA_SASL": at["SASL"],
            "TIDEGATE_TEST_KAFKA_MUTUAL": at["MUTUAL"],
            "TIDEGATE_TEST_KAFKA_EXPIRED": at["EXPIRED"],
            "TIDEGATE_TEST_KAFKA_NAMED": at["NAMED"],
            "TIDEGATE_TEST_KAFKA_TOKENS": self.tokens.url,
            "TIDEGATE_TEST_KAFKA_LIBS": str(self.libs),
            "TIDEGATE_TEST_CERTIFICATES": str(self.certificates),
        }


def scram_users():
    words = []
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
        words += ["--add-scram", f"{mechanism}=[name={USER},password={PASSWORD}]"]
    return words
