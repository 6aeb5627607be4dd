#include "app/setup/install.h"

#include "accounts/directory.h"
#include "app/setup/embedded.h"
#include "app/setup/files.h"
#include "dkim/key.h"
#include "net/local_ca.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace postern::app {
namespace {

constexpr const char* kUser = "postern";
constexpr const char* kUnitDirectory = "/etc/systemd/system";
constexpr const char* kCertbotDirectory = "/etc/letsencrypt/live/";
constexpr const char* kSelector = "postern";
constexpr mode_t kPrivate = 0640;  // for root and, with a service, its group
constexpr auto kTrialLifetime = std::chrono::hours{24 * 90};

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
  return text;
}

std::string this_program() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "/usr/bin/postern" : program.string();
}

/// Where the service may run us from: home directories are closed to it.
std::string installed_program() {
  const std::string here = this_program();
  return here.starts_with("/usr/") || here.starts_with("/opt/") ? here : "/usr/local/bin/postern";
}

/// The service cannot read certbot's keys; it gets a copy, and another at each renewal.
bool copies_certificate(const Answers& a, const SetupOptions& options) {
  return options.service && a.certificate.starts_with(kCertbotDirectory);
}

Result<> for_service(const SetupOptions& options, const std::string& path) {
  if (!options.service) return {};
  POSTERN_TRY(const SystemUser user, find_user(kUser));
  return change_owner(path, static_cast<uid_t>(-1), user.gid);
}

Result<> write_private(const SetupOptions& options, const std::string& path, const std::string& text) {
  POSTERN_CHECK(write_file(path, text, kPrivate));
  return for_service(options, path);
}

SetupStep make_user() {
  return {"create the system user postern", []() -> Result<> {
            if (find_user(kUser)) return Result<>{};
            if (has_program("systemd-sysusers")) {
              POSTERN_CHECK(make_directory("/etc/sysusers.d", 0755));
              POSTERN_CHECK(write_file("/etc/sysusers.d/postern.conf", kSysusers, 0644));
              return run_program({"systemd-sysusers", "/etc/sysusers.d/postern.conf"});
            }
            return run_program({"useradd", "--system", "--user-group", "--no-create-home", "--home-dir",
                                "/var/lib/postern", "--shell", "/usr/sbin/nologin", kUser});
          }};
}

Result<> make_directories(const Answers& a, const SetupOptions& options) {
  for (const std::string& path : {options.paths.directory(), options.paths.directory() + "/tls"}) {
    const bool was_there = std::filesystem::exists(path);
    POSTERN_CHECK(make_directory(path, options.service ? 0750 : 0700));
    if (!was_there) POSTERN_CHECK(for_service(options, path));
  }
  return make_directory(a.data_dir, 0750);
}

Result<> make_trial_certificate(const Answers& a, const SetupOptions& options) {
  if (std::filesystem::exists(options.paths.key())) return {};
  POSTERN_TRY(const net::LocalCa made, net::make_local_ca({a.hostname}, kTrialLifetime));
  POSTERN_CHECK(write_file(options.paths.directory() + "/tls/ca.pem", made.ca_certificate, 0644));
  POSTERN_CHECK(write_file(options.paths.certificate(), made.certificate, 0644));
  return write_private(options, options.paths.key(), made.key);
}

Result<> copy_certificate(const Answers& a, const SetupOptions& options) {
  POSTERN_TRY(const std::string certificate, read_file(a.certificate));
  POSTERN_TRY(const std::string key, read_file(a.key));
  POSTERN_CHECK(write_private(options, options.paths.key(), key));
  POSTERN_CHECK(write_file(options.paths.certificate(), certificate, 0644));
  const std::string hooks = "/etc/letsencrypt/renewal-hooks/deploy";
  POSTERN_CHECK(make_directory(hooks, 0755));
  const std::string lineage = std::filesystem::path(a.certificate).parent_path().filename().string();
  return write_file(hooks + "/postern", replaced(std::string(kCertbotHook), "@HOSTNAME@", lineage), 0755);
}

Result<> write_config(const Answers& answers, const SetupOptions& options) {
  const std::string& path = options.paths.config;
  if (std::filesystem::exists(path)) {
    if (!options.overwrite) return fail(Errc::Denied, path + " is there already");
    POSTERN_TRY(const std::string old, read_file(path));
    POSTERN_CHECK(write_private(options, path + ".before-setup", old));
  }
  Answers a = answers;
  if (copies_certificate(a, options)) {
    a.certificate = options.paths.certificate();
    a.key = options.paths.key();
  }
  return write_private(options, path, config_text(a, options.paths));
}

Result<> make_state(const Answers& a, std::string& dkim_record, std::string& selector) {
  const SystemClock clock;
  POSTERN_TRY(const auto directory,
              accounts::Directory::open(a.data_dir + "/directory.db", accounts::Options{}, clock));
  if (!directory->domain(a.domain)) {
    POSTERN_TRY(const dkim::SigningKey key, dkim::SigningKey::generate(2048));
    POSTERN_CHECK(directory->add_domain({a.domain, kSelector, key.pem()}));
  }
  const std::optional<accounts::Domain> domain = directory->domain(a.domain);
  if (!domain) return fail(Errc::Internal, a.domain + " cannot be found again");
  POSTERN_TRY(const dkim::SigningKey key, dkim::SigningKey::from_pem(domain->key_pem));
  dkim_record = key.dns_record();
  selector = domain->selector;
  POSTERN_TRY(const auto known, directory->accounts());
  POSTERN_TRY(const std::string address, accounts::normal_address(a.account));
  const auto same = [&](const accounts::Account& account) { return account.address == address; };
  if (std::any_of(known.begin(), known.end(), same)) return directory->set_password(address, a.password);
  return directory->add_account_with_password(address, a.password, accounts::AccountClass::Person);
}

Result<> install_program() {
  const std::string to = installed_program();
  if (to == this_program()) return {};
  POSTERN_TRY(const std::string program, read_file(this_program()));
  return write_file(to, program, 0755);
}

Result<> install_units(const Answers& a, const SetupOptions& options) {
  std::string unit = replaced(std::string(kServiceUnit), "/usr/bin/postern", installed_program());
  unit = replaced(unit, "/etc/postern/postern.toml", options.paths.config);
  if (a.data_dir != "/var/lib/postern")
    unit = replaced(unit, "StateDirectory=postern\n", "ReadWritePaths=" + a.data_dir + "\n");
  const std::string directory = kUnitDirectory;
  POSTERN_CHECK(make_directory(directory, 0755));
  POSTERN_CHECK(write_file(directory + "/postern.service", unit, 0644));
  POSTERN_CHECK(write_file(directory + "/postern-submission.socket", kSubmissionSocketUnit, 0644));
  POSTERN_CHECK(write_file(directory + "/postern-submissions.socket", kSubmissionsSocketUnit, 0644));
  if (!std::filesystem::exists("/run/systemd/system")) return {};
  return run_program({"systemctl", "daemon-reload"});
}

}  // namespace

std::vector<SetupStep> setup_steps(const Answers& a, const SetupOptions& options, std::string& dkim_record,
                                   std::string& selector) {
  const std::string tls = options.paths.directory() + "/tls";
  std::vector<SetupStep> steps;
  if (options.service) steps.push_back(make_user());
  steps.push_back({"create " + options.paths.directory() + " and " + a.data_dir,
                   [&a, &options] { return make_directories(a, options); }});
  if (a.self_signed()) {
    steps.push_back(
        {"make a certificate for " + a.hostname + ", 90 days, signed by a CA of its own, in " + tls,
         [&a, &options] { return make_trial_certificate(a, options); }});
  } else if (copies_certificate(a, options)) {
    steps.push_back({"copy the certificate to " + tls + ", now and at each renewal (a hook for certbot)",
                     [&a, &options] { return copy_certificate(a, options); }});
  }
  if (!a.smarthost_password.empty()) {
    steps.push_back({"write the relay's password to " + options.paths.smarthost_password(), [&a, &options] {
                       return write_private(options, options.paths.smarthost_password(),
                                            a.smarthost_password + "\n");
                     }});
  }
  steps.push_back({"write " + options.paths.config, [&a, &options] { return write_config(a, options); }});
  steps.push_back({"add the domain " + a.domain +
                       " with a DKIM key (one that is there is kept), and the account " + a.account,
                   [&a, &dkim_record, &selector] { return make_state(a, dkim_record, selector); }});
  if (options.service) {
    steps.push_back({"give " + a.data_dir + " to the user postern", [&a]() -> Result<> {
                       POSTERN_TRY(const SystemUser user, find_user(kUser));
                       return change_owner_of_tree(a.data_dir, user);
                     }});
    if (installed_program() != this_program())
      steps.push_back({"install this program as " + installed_program(), install_program});
    steps.push_back(
        {std::string("install postern.service and two optional socket units in ") + kUnitDirectory,
         [&a, &options] { return install_units(a, options); }});
  }
  return steps;
}

}  // namespace postern::app
