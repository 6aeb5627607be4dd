#include "app/setup/answers.h"

#include "mail/address.h"
#include "mail/host_name.h"
#include "mail/idna.h"
#include "net/endpoint.h"
#include "net/tls.h"

#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <filesystem>

namespace postern::app {
namespace {

constexpr std::size_t kLeastPassword = 10;

bool always(const Answers& /*answers*/) { return true; }
bool when_relaying(const Answers& a) { return a.relays(); }
std::string nothing(const Answers& /*answers*/) { return ""; }
Result<> anything(const Answers& /*answers*/, const std::string& /*text*/) { return {}; }

/// RFC 1123 §2.1: letters, digits and hyphens, at most 63 octets a label, 253 in all; and more than one label.
/// U-labels are counted as the A-labels that they stand for.
Result<> check_domain_name(const Answers& /*answers*/, const std::string& text) {
  const Result<std::string> ascii = mail::to_ascii(text);
  return mail::check_host_name(ascii ? *ascii : text);
}

/// As it was typed when it has no such form: check() has said so.
std::string ascii_name(const std::string& name) {
  const Result<std::string> ascii = mail::to_ascii(name);
  return ascii ? *ascii : name;
}

std::string ascii_domain(const std::string& address) {
  const std::size_t domain = address.rfind('@') + 1;
  return address.substr(0, domain) + ascii_name(address.substr(domain));
}

std::string own_name(const Answers& /*answers*/) {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "";
  const std::string text = name.data();
  return check_domain_name({}, text) ? text : "";
}

std::string parent_domain(const Answers& a) {
  const std::size_t dot = a.hostname.find('.');
  const std::string parent = a.hostname.substr(dot + 1);
  return parent.find('.') == std::string::npos ? a.hostname : parent;
}

std::string certbot_directory(const Answers& a) { return "/etc/letsencrypt/live/" + a.hostname; }

std::string likely_certificate(const Answers& a) {
  const std::string path = certbot_directory(a) + "/fullchain.pem";
  std::error_code ignored;
  return std::filesystem::exists(path, ignored) ? path : "self-signed";
}

std::string likely_key(const Answers& a) {
  const std::filesystem::path certificate(a.certificate);
  for (const char* name : {"privkey.pem", "key.pem"}) {
    const std::filesystem::path path = certificate.parent_path() / name;
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) return path.string();
  }
  return "";
}

Result<> check_certificate(const Answers& /*answers*/, const std::string& text) {
  if (text == "self-signed") return {};
  std::error_code error;
  if (!std::filesystem::is_regular_file(text, error))
    return fail(Errc::NotFound, "there is no file " + text + " (or say self-signed, for a trial)");
  return {};
}

/// Certificate and key have to fit each other.
Result<> check_key(const Answers& a, const std::string& text) {
  const auto loaded = net::TlsServer::load({{a.certificate, text}});
  if (!loaded) return loaded.error();
  return {};
}

Result<> check_delivery(const Answers& /*answers*/, const std::string& text) {
  if (text == "direct" || text == "smarthost" || text == "sandbox") return {};
  return fail(Errc::Malformed, "it must be direct, smarthost or sandbox");
}

Result<> check_relay(const Answers& a, const std::string& text) {
  return net::IpAddress::parse(text) ? Result<>{} : check_domain_name(a, text);
}

Result<> check_port(const Answers& /*answers*/, const std::string& text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error == std::errc{} && end == text.data() + text.size() && port > 0) return {};
  return fail(Errc::Malformed, "it must be a number from 1 to 65535");
}

Result<> check_secret(const Answers& /*answers*/, const std::string& text) {
  if (text.empty()) return fail(Errc::Malformed, "it cannot be empty");
  return {};
}

Result<> check_address(const Answers& /*answers*/, const std::string& text) {
  const Result<std::vector<mail::Mailbox>> parsed = mail::parse_address_list(text);
  if (!parsed || parsed->size() != 1 || parsed->front().text() != text)
    return fail(Errc::Malformed, "it must be an address such as you@example.org");
  return {};
}

Result<> check_account(const Answers& a, const std::string& text) {
  POSTERN_CHECK(check_address(a, text));
  const std::string domain = text.substr(text.rfind('@') + 1);
  if (ascii_name(domain) == ascii_name(a.domain)) return {};
  return fail(Errc::Malformed, "it must be an address of " + a.domain + ", which is the domain we sign for");
}

Result<> check_password(const Answers& /*answers*/, const std::string& text) {
  if (text.size() >= kLeastPassword) return {};
  return fail(Errc::Malformed, "it must have at least " + std::to_string(kLeastPassword) + " characters");
}

Result<> check_data_dir(const Answers& /*answers*/, const std::string& text) {
  if (std::filesystem::path(text).is_absolute()) return {};
  return fail(Errc::Malformed, "it must be an absolute path");
}

std::string toml(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace

Answers in_kept_form(Answers answers) {
  for (std::string Answers::*name : {&Answers::hostname, &Answers::domain, &Answers::smarthost_host}) {
    if (!net::IpAddress::parse(answers.*name)) answers.*name = ascii_name(answers.*name);
  }
  for (std::string Answers::*address : {&Answers::account, &Answers::postmaster})
    answers.*address = ascii_domain(answers.*address);
  if (!answers.self_signed()) {
    answers.certificate = std::filesystem::absolute(answers.certificate).lexically_normal();
    answers.key = std::filesystem::absolute(answers.key).lexically_normal();
  }
  return answers;
}

const std::vector<Question>& setup_questions() {
  static const std::vector<Question> questions{
      {"hostname", "This server's full name, as clients and the certificate know it", &Answers::hostname,
       always, own_name, check_domain_name},
      {"domain", "The domain to send mail for: what stands behind the @", &Answers::domain, always,
       parent_domain, check_domain_name},
      {"certificate", "The certificate with its chain (PEM file), or self-signed for a trial",
       &Answers::certificate, always, likely_certificate, check_certificate},
      {"key", "The certificate's private key (PEM file)", &Answers::key,
       [](const Answers& a) { return !a.self_signed(); }, likely_key, check_key},
      {"delivery",
       "How mail leaves: direct (to MX hosts, needs port 25), smarthost (a relay), sandbox (kept)",
       &Answers::delivery, always, [](const Answers& /*a*/) { return std::string("direct"); },
       check_delivery},
      {"smarthost_host", "The relay's name", &Answers::smarthost_host, when_relaying, nothing, check_relay},
      {"smarthost_port", "The relay's port", &Answers::smarthost_port, when_relaying,
       [](const Answers& /*a*/) { return std::string("587"); }, check_port},
      {"smarthost_user", "The user name at the relay (empty: no login)", &Answers::smarthost_user,
       when_relaying, nothing, anything},
      {"smarthost_password", "The password at the relay", &Answers::smarthost_password,
       [](const Answers& a) { return a.relays() && !a.smarthost_user.empty(); }, nothing, check_secret, true},
      {"account", "The first account: an address that may log in", &Answers::account, always, nothing,
       check_account},
      {"password", "Its password", &Answers::password, always, nothing, check_password, true},
      {"postmaster", "Who reads mail for postmaster, and DMARC reports", &Answers::postmaster, always,
       [](const Answers& a) { return a.account; }, check_address},
      {"data_dir", "Where queue, accounts and history are kept", &Answers::data_dir, always,
       [](const Answers& a) { return a.data_dir; }, check_data_dir},
  };
  return questions;
}

std::string SetupPaths::directory() const {
  const std::string parent = std::filesystem::path(config).parent_path().string();
  return parent.empty() ? "." : parent;
}

std::string config_text(const Answers& a, const SetupPaths& paths) {
  std::string out =
      "# Written once by postern setup; yours from now on. Every option: postern config example.\n";
  out += "hostname = " + toml(a.hostname) + "\ndata_dir = " + toml(a.data_dir) + "\n\n[tls]\n";
  if (a.self_signed()) {
    out += "# For a trial: no client trusts it. Replace both files; a reload is not needed.\n";
    out += "certificate = " + toml(paths.certificate()) + "\nkey = " + toml(paths.key()) + '\n';
  } else {
    out += "certificate = " + toml(a.certificate) + "\nkey = " + toml(a.key) + '\n';
  }
  out += "\n[submission]\npostmaster = " + toml(a.postmaster) + "\n\n[delivery]\nmode = " + toml(a.delivery) +
         '\n';
  if (a.relays()) {
    out += "smarthost = \"relay\"\n\n[smarthost.relay]\nhost = " + toml(a.smarthost_host) +
           "\nport = " + a.smarthost_port + "\ntls = \"required\"\n";
    if (!a.smarthost_user.empty()) {
      out +=
          "user = " + toml(a.smarthost_user) + "\npassword_file = " + toml(paths.smarthost_password()) + '\n';
    }
  }
  return out;
}

}  // namespace postern::app
