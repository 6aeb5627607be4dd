#include "delivery/manners.h"

#include <fstream>
#include <utility>

namespace postern::delivery {
namespace {

Result<std::string> first_line(const std::string& path) {
  std::ifstream in(path);
  if (!in) return fail(Errc::NotFound, "cannot read the password file " + path);
  std::string line;
  std::getline(in, line);
  if (line.ends_with('\r')) line.pop_back();
  if (line.empty()) return fail(Errc::Malformed, "the password file " + path + " has an empty first line");
  return line;
}

}  // namespace

Result<Manners> make_manners(const Options& options, const std::optional<Smarthost>& smarthost,
                             const std::string& mx_ca_file) {
  Manners manners;
  manners.tls = smarthost ? smarthost->tls : options.tls;
  if (manners.tls != TlsPolicy::None) {
    net::TlsClient::Options tls;
    tls.verify = manners.tls == TlsPolicy::Required ? net::TlsClient::Verify::Require
                 : manners.tls == TlsPolicy::Dane   ? net::TlsClient::Verify::Dane
                                                    : net::TlsClient::Verify::None;
    tls.ca_file = smarthost ? smarthost->ca_file : mx_ca_file;
    POSTERN_TRY(manners.tls_client, net::TlsClient::create(tls));
  }
  if (smarthost && !smarthost->user.empty()) {
    manners.user = smarthost->user;
    POSTERN_TRY(manners.password, first_line(smarthost->password_file));
  }
  return manners;
}

std::vector<AuthMechanism> usable_mechanisms(const Manners& manners, const Extensions& offered) {
  std::vector<AuthMechanism> out;
  if (manners.user.empty()) return out;
  if (offered.auth_scram) out.push_back(AuthMechanism::ScramSha256);
  if (offered.auth_plain) out.push_back(AuthMechanism::Plain);
  if (offered.auth_login) out.push_back(AuthMechanism::Login);
  return out;
}

}  // namespace postern::delivery
