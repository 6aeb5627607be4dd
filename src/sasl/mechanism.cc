#include "sasl/mechanism.h"

#include "sasl/external.h"
#include "sasl/login.h"
#include "sasl/oauth_bearer.h"
#include "sasl/plain.h"
#include "sasl/scram.h"
#include "sasl/xoauth2.h"

#include <array>

namespace postern::sasl {
namespace {

struct Row {
  std::string_view name;
  bool (*offered)(const Environment&);
  std::unique_ptr<Mechanism> (*make)(const Environment&);
};

bool has_scram(const Environment& e) { return static_cast<bool>(e.find_secrets); }
bool has_plus(const Environment& e) { return has_scram(e) && e.binds; }

const std::array kMechanisms{
    Row{"PLAIN", [](const Environment& e) { return e.passwords; },
        [](const Environment& /*e*/) -> std::unique_ptr<Mechanism> { return std::make_unique<Plain>(); }},
    Row{"LOGIN", [](const Environment& e) { return e.passwords; },
        [](const Environment& /*e*/) -> std::unique_ptr<Mechanism> { return std::make_unique<Login>(); }},
    Row{"SCRAM-SHA-256", has_scram,
        [](const Environment& e) -> std::unique_ptr<Mechanism> {
          return std::make_unique<Scram>(has_plus(e), e.find_secrets);
        }},
    Row{"SCRAM-SHA-256-PLUS", has_plus,
        [](const Environment& e) -> std::unique_ptr<Mechanism> {
          return std::make_unique<Scram>(e.find_binding(), e.find_secrets);
        }},
    Row{"OAUTHBEARER", [](const Environment& e) { return e.tokens; },
        [](const Environment& e) -> std::unique_ptr<Mechanism> {
          return std::make_unique<OAuthBearer>(e.token_scope, e.openid_discovery);
        }},
    Row{"XOAUTH2", [](const Environment& e) { return e.tokens; },
        [](const Environment& e) -> std::unique_ptr<Mechanism> {
          return std::make_unique<XOAuth2>(e.token_scope);
        }},
    Row{"EXTERNAL", [](const Environment& e) { return e.certificate; },
        [](const Environment& /*e*/) -> std::unique_ptr<Mechanism> { return std::make_unique<External>(); }},
};

}  // namespace

std::unique_ptr<Mechanism> make_mechanism(std::string_view name, const Environment& environment) {
  for (const Row& row : kMechanisms) {
    if (row.name == name && row.offered(environment)) return row.make(environment);
  }
  return nullptr;
}

std::string mechanism_names(const Environment& environment) {
  std::string names;
  for (const Row& row : kMechanisms) {
    if (!row.offered(environment)) continue;
    if (!names.empty()) names += ' ';
    names += row.name;
  }
  return names;
}

}  // namespace postern::sasl
