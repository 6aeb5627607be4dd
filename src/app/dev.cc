#include "app/dev.h"

#include "accounts/directory.h"
#include "accounts/password.h"
#include "dkim/key.h"
#include "net/listener.h"
#include "net/local_ca.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace postern::app {
namespace {

constexpr const char* kDomain = "demo.example";
constexpr const char* kAccount = "demo@demo.example";
constexpr auto kLifetime = std::chrono::hours{24 * 365};

Result<> write_private(const std::string& path, const std::string& text) {
  const mode_t old_mask = ::umask(0077);
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.close();
  ::umask(old_mask);
  if (!file) return fail(Errc::Unavailable, "cannot write " + path);
  return {};
}

bool can_listen(std::uint16_t port) {
  return net::Listener::is_free({*net::IpAddress::parse("127.0.0.1"), port}).has_value();
}

Result<> make_certificate(const DevSetup& setup) {
  if (std::filesystem::exists(setup.directory + "/key.pem")) return {};
  POSTERN_TRY(const net::LocalCa made,
              net::make_local_ca({"localhost", "mail.demo.example", "127.0.0.1", "::1"}, kLifetime));
  POSTERN_CHECK(write_private(setup.ca_file, made.ca_certificate));
  POSTERN_CHECK(write_private(setup.directory + "/certificate.pem", made.certificate));
  return write_private(setup.directory + "/key.pem", made.key);
}

Result<> make_account(DevSetup& setup) {
  const SystemClock clock;
  const accounts::Options options;
  POSTERN_TRY(const auto directory,
              accounts::Directory::open(setup.directory + "/directory.db", options, clock));
  if (!directory->domain(kDomain)) {
    POSTERN_TRY(const dkim::SigningKey key, dkim::SigningKey::generate(2048));
    POSTERN_CHECK(directory->add_domain({kDomain, "dev", key.pem()}));
  }
  const std::string password_file = setup.directory + "/demo.password";
  std::ifstream(password_file) >> setup.password;
  if (setup.password.empty()) {
    setup.password = id_text(make_id(clock.now().time_since_epoch().count()));
    const Result<> added =
        directory->add_account_with_password(kAccount, setup.password, accounts::AccountClass::Person);
    if (!added) POSTERN_CHECK(directory->set_password(kAccount, setup.password));
    POSTERN_CHECK(write_private(password_file, setup.password + "\n"));
    // Whoever tries the server with a loop of mails should meet it, not the limits of a person.
    POSTERN_CHECK(directory->set_limits(kAccount, {"messages none", "recipients none", "first_time none"}));
  }
  return {};
}

/// How to call this very binary from where we are: relative when it lies below the working directory.
std::string this_program() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return "postern";
  const std::filesystem::path here = std::filesystem::current_path(error);
  const std::filesystem::path relative = program.lexically_relative(here);
  if (error || relative.empty() || *relative.begin() == "..") return program.string();
  return relative.has_parent_path() ? relative.string() : "./" + relative.string();
}

}  // namespace

std::string default_dev_directory() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state != '\0')
    return std::string(state) + "/postern-dev";
  const char* home = std::getenv("HOME");
  return std::string(home == nullptr ? "." : home) + "/.local/state/postern-dev";
}

Result<DevSetup> prepare_dev(const std::string& directory) {
  DevSetup setup;
  setup.directory = directory;
  setup.config_path = directory + "/postern.toml";
  setup.account = kAccount;
  setup.ca_file = directory + "/ca.pem";
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return fail(Errc::Unavailable, directory + ": " + error.message());
  if (!can_listen(setup.submission_port)) setup.submission_port = 5587;
  if (!can_listen(setup.submissions_port)) setup.submissions_port = 5465;
  POSTERN_CHECK(make_certificate(setup));
  POSTERN_CHECK(make_account(setup));
  POSTERN_CHECK(write_private(
      setup.config_path,
      "# Made by postern dev at each start.\nhostname = \"mail.demo.example\"\ndata_dir = \"" + directory +
          "\"\n[listen]\nsubmission = [\"127.0.0.1:" + std::to_string(setup.submission_port) +
          "\"]\nsubmissions = [\"127.0.0.1:" + std::to_string(setup.submissions_port) +
          "\"]\nadmin = [\"127.0.0.1:0\"]\n[tls]\ncertificate = \"" + directory +
          "/certificate.pem\"\nkey = \"" + directory +
          "/key.pem\"\n[delivery]\nmode = \"sandbox\"\n[submission]\npostmaster = \"demo@demo.example\"\n"));
  return setup;
}

std::string dev_greeting(const DevSetup& setup) {
  const std::string login = setup.account + ":" + setup.password;
  std::string out = "Postern for developers: outgoing mail is kept in a sandbox, nothing is sent.\n";
  if (setup.submission_port != 587 || setup.submissions_port != 465)
    out += "Ports 587 and 465 are not to be had here; using others.\n";
  out += "\nSend a mail on " + std::to_string(setup.submission_port) +
         " (STARTTLS):\n  swaks --server 127.0.0.1:" + std::to_string(setup.submission_port) +
         " --tls --auth PLAIN --auth-user " + setup.account + " --auth-password " + setup.password +
         " --from " + setup.account + " --to friend@example.net\n";
  out += "\nor on " + std::to_string(setup.submissions_port) + " (TLS):\n  printf 'From: " + setup.account +
         "\\r\\nTo: friend@example.net\\r\\nSubject: hello\\r\\n\\r\\nIt works.\\r\\n' | curl --url "
         "smtps://localhost:" +
         std::to_string(setup.submissions_port) + " --cacert " + setup.ca_file + " --user " + login +
         " --mail-from " + setup.account + " --mail-rcpt friend@example.net --upload-file -\n";
  const std::string postern =
      this_program() + (setup.directory == default_dev_directory() ? "" : " --config " + setup.config_path);
  out += "\nSee what came out, with its DKIM signature checked:\n  " + postern + " sandbox ls\n  " + postern +
         " sandbox show ID\n\n";
  return out;
}

}  // namespace postern::app
