//! Kafka as people run it: TLS, users, tokens, certificates of clients. What is right lets records flow; what is wrong is named
//! where an operator looks, shows no secret, and goes away by itself where its reason does. `make test` starts the services.

mod clickhouse;
mod mechanisms;
mod refused;
mod sales;
mod tls;
mod tokens;
