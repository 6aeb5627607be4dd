#include "accounts/directory.h"
#include "admin/control_client.h"
#include "admin/queue_json.h"
#include "app/cli/common.h"
#include "app/server.h"
#include "dkim/key.h"
#include "dns/lookup.h"
#include "probe/certificate.h"
#include "probe/listening.h"
#include "queue/queue_reader.h"
#include "smtp/ascii.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>

#include <algorithm>
#include <array>
#include <iostream>

/// postern doctor: what an operator would look at one after the other, each with the next step.
namespace postern::app::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::hours kRenewBefore{14 * 24};
constexpr std::chrono::hours kOldMail{4};
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

enum class Grade { Ok, Warning, Problem };

/// What the checks find, printed as they go.
class Findings {
 public:
  explicit Findings(bool as_json) : as_json_(as_json) {}
  void ok(const char* check, const std::string& what) { add(Grade::Ok, check, what, ""); }
  void warn(const char* check, const std::string& what, const std::string& next) {
    add(Grade::Warning, check, what, next);
  }
  void problem(const char* check, const std::string& what, const std::string& next) {
    add(Grade::Problem, check, what, next);
    ++problems_;
  }
  /// Ends the output; how many problems there are.
  std::size_t finish() {
    if (as_json_)
      std::cout << "{\"ok\":" << (problems_ == 0 ? "true" : "false") << ",\"findings\":[" << json_ << "]}\n";
    return problems_;
  }

 private:
  void add(Grade grade, const char* check, const std::string& what, const std::string& next) {
    static constexpr std::array kNames{"ok", "warning", "problem"};
    const char* const name = kNames.at(static_cast<std::size_t>(grade));
    if (as_json_) {
      json_ += fmt::format("{}{{\"check\":\"{}\",\"grade\":\"{}\",\"what\":{},\"next\":{}}}",
                           json_.empty() ? "" : ",", check, name, json_text(what), json_text(next));
      return;
    }
    std::cout << fmt::format("{:<8} {:<12} {}\n", name, check, what);
    if (!next.empty()) std::cout << fmt::format("{:<21} -> {}\n", "", next);
  }
  const bool as_json_;
  std::size_t problems_ = 0;
  std::string json_;
};

/// Secrets that others can read.
void check_secret(const std::string& path, Findings& out) {
  struct stat found {};
  if (path.empty() || ::stat(path.c_str(), &found) != 0)
    return;  // what is missing is said by the configuration
  if ((found.st_mode & S_IROTH) == 0) return;
  out.problem("files", path + " can be read by everybody on this machine", "chmod o-rwx " + path);
}

void check_files(const config::Config& config, Findings& out) {
  struct stat found {};
  if (::stat(config.data_dir.c_str(), &found) != 0) {
    out.problem("files", config.data_dir + " (data_dir) is not there",
                "postern setup makes it, and so does the first start");
    return;
  }
  if ((found.st_mode & (S_IWGRP | S_IRWXO)) != 0) {
    out.warn("files", config.data_dir + " is open to other users: keys and mail are in it",
             "chmod o-rwx,g-w " + config.data_dir);
  } else {
    out.ok("files", config.data_dir + " is closed to other users");
  }
  check_secret(config.tls.key, out);
  for (const config::CertificatePair& more : config.tls.more) check_secret(more.key, out);
  for (const auto& [name, smarthost] : config.smarthosts) check_secret(smarthost.password_file, out);
}

bool covers(const std::vector<std::string>& names, const std::string& hostname) {
  const std::size_t dot = hostname.find('.');
  const std::string wildcard = dot == std::string::npos ? "" : "*" + hostname.substr(dot);
  return std::ranges::any_of(names, [&](const std::string& name) {
    return smtp::iequals(name, hostname) || (!wildcard.empty() && smtp::iequals(name, wildcard));
  });
}

void check_certificate(const config::Config& config, TimePoint now, Findings& out) {
  if (config.tls.certificate.empty()) {
    out.problem("certificate", "none is configured: nobody can log in", "set certificate and key in [tls]");
    return;
  }
  // Loads as the server would: what it says here it would say at its start.
  const auto loaded = net::TlsServer::load(certificate_files(config.tls));
  if (!loaded)
    return out.problem("certificate", loaded.error().detail, "correct [tls], or renew the certificate");
  const Result<probe::CertificateSeen> seen = probe::read_certificate(config.tls.certificate);
  if (!seen) return out.problem("certificate", seen.error().detail, "correct tls.certificate");
  const std::string until = shown(seen->not_after);
  if (seen->not_after <= now) {
    out.problem("certificate", "it expired at " + until, "renew it; the server sees the new file by itself");
  } else if (seen->not_after - now < kRenewBefore) {
    out.warn("certificate", "it expires at " + until, "renew it; the server sees the new file by itself");
  } else {
    out.ok("certificate", "valid until " + until);
  }
  if (seen->not_before > now)
    out.problem("certificate", "it is valid only from " + shown(seen->not_before), "look at the clock");
  if (!covers(seen->names, config.hostname)) {
    out.problem("certificate", "it does not name " + config.hostname + ", so that mail clients refuse it",
                "get one for " + config.hostname);
  }
}

/// The strings of a TXT record (RFC 1035 §3.3.14), put together.
std::string text_of_txt(const std::string& rdata) {
  std::string out;
  for (std::size_t at = 0; at < rdata.size();) {
    const auto length = static_cast<unsigned char>(rdata[at]);
    out += rdata.substr(at + 1, length);
    at += 1 + std::size_t{length};
  }
  return out;
}

void check_dkim(const config::Config& config, const accounts::Domain& domain, Findings& out) {
  const std::string name = domain.selector + "._domainkey." + domain.name;
  const std::string next = "publish what postern domain show " + domain.name + " prints";
  const Result<dkim::SigningKey> key = dkim::SigningKey::from_pem(domain.key_pem);
  if (!key)
    return out.problem("dkim", domain.name + ": " + key.error().detail,
                       "postern domain rm --force, then add");
  dns::LookupOptions options;
  options.servers = config.dns.servers;
  options.validate = config.dns.dnssec;
  options.trust_anchor = config.dns.trust_anchor;
  const Result<dns::Lookup> answer = dns::lookup(name, dns::RecordType::Txt, options);
  if (!answer) return out.warn("dkim", name + ": " + answer.error().detail, "look at [dns]");
  using dns::LookupOutcome;
  if (answer->outcome == LookupOutcome::NoSuchName || answer->outcome == LookupOutcome::NoData)
    return out.problem("dkim", name + " has no TXT record: nobody can verify what we sign", next);
  if (answer->outcome != LookupOutcome::Found) {
    const bool late = answer->outcome == LookupOutcome::Timeout;
    return out.warn("dkim", name + " could not be looked up: " + (late ? "no answer" : answer->error),
                    "look at [dns] and the network, then again");
  }
  const auto public_key = [](std::string record) {
    std::erase_if(record, [](char c) { return c == ' ' || c == '\t'; });
    const std::size_t at = record.find("p=");
    return at == std::string::npos ? std::string() : record.substr(at + 2, record.find(';', at) - at - 2);
  };
  const std::string ours = public_key(key->dns_record());
  const bool published = std::ranges::any_of(
      answer->records, [&](const std::string& rdata) { return public_key(text_of_txt(rdata)) == ours; });
  if (!published) return out.problem("dkim", name + " holds another key than the one we sign with", next);
  out.ok("dkim", name + " is our key");
}

void check_domains(const Context& context, const config::Config& config, Findings& out) {
  const auto directory = open_directory(context);
  if (!directory)
    return out.problem("dkim", directory.error().detail, "run this as root or as the service's user");
  const auto domains = (*directory)->domains();
  if (!domains) return out.problem("dkim", domains.error().detail, "restore directory.db from a backup");
  if (domains->empty()) {
    out.problem("dkim", "there is no domain: nobody can send",
                "postern domain add DOMAIN, postern account add ADDRESS");
  }
  for (const accounts::Domain& domain : *domains) check_dkim(config, domain, out);
}

void check_clock(Findings& out) {
  timex state{};
  const int result = ::adjtimex(&state);
  if (result == TIME_ERROR || (state.status & STA_UNSYNC) != 0) {
    out.warn("clock", "nothing keeps this machine's clock right: signatures and limits go by it",
             "timedatectl set-ntp true, or install chrony");
  } else {
    out.ok("clock", "kept right");
  }
}

void check_disk(const config::Config& config, Findings& out) {
  struct statvfs disk {};
  if (::statvfs(config.data_dir.c_str(), &disk) != 0) return;
  const std::uint64_t free = disk.f_bavail * disk.f_frsize / kMiB;
  const std::string what = fmt::format("{} MiB free for {}", free, config.data_dir);
  const bool no_files = disk.f_files > 0 && disk.f_favail < 100;
  if ((disk.f_flag & ST_RDONLY) != 0) {
    out.problem("disk", config.data_dir + " is on a file system that is mounted read-only", "dmesg says why");
  } else if (free < 100 || no_files) {
    out.problem("disk", what + (no_files ? ", and no room for further files" : ""),
                "make room: mail is refused soon (452)");
  } else if (free < 1024) {
    out.warn("disk", what, "make room before mail is refused");
  } else {
    out.ok("disk", what);
  }
}

void check_port(const std::string& address, bool runs, Findings& out) {
  const Result<net::Endpoint> endpoint = net::Endpoint::parse(address);
  if (!endpoint) return out.problem("ports", endpoint.error().detail, "correct [listen]");
  if (endpoint->port == 0) return;
  std::string others;
  bool ours = false;
  bool unseen = false;
  for (const probe::Listening& listening : probe::listening_on(endpoint->port)) {
    if (listening.program.starts_with("postern ")) {
      ours = true;
    } else if (listening.program.empty() || listening.program.starts_with("systemd ")) {
      unseen = true;  // not ours to see, or systemd's socket for us
    } else if (others.find(listening.program) == std::string::npos) {
      others += (others.empty() ? "" : ", ") + listening.program;
    }
  }
  if (!others.empty() && !ours) {
    out.problem("ports", address + " is held by " + others, "stop it, or take another address in [listen]");
  } else if (ours || (unseen && runs)) {
    out.ok("ports", address + " is open");
  } else if (unseen) {
    out.warn("ports", address + " is held by a program that cannot be seen", "run this as root");
  } else if (runs) {
    out.problem("ports", address + " is not open although the server runs",
                "restart it: listeners change at the start only");
  } else {
    out.ok("ports", address + " is free");
  }
}

/// The queue's groups by site: of the running server, or of the files.
Result<json::value> groups(const config::Config& config, bool runs) {
  queue::Filter all;
  all.limit = 1'000'000;
  const json::object request{{"verb", "queue.group"}, {"by", "site"}, {"filter", admin::to_json(all)}};
  if (runs) return admin::ask(control_path(config), request);
  const std::string path = config.data_dir + "/queue.db";
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return json::value(json::array());
  POSTERN_TRY(queue::QueueReader reader, queue::QueueReader::open(path, nullptr));
  POSTERN_TRY(const auto read, reader.group(all, queue::GroupBy::Site));
  return json::value(admin::to_json(read));
}

void check_queue(const Result<json::value>& found, TimePoint now, Findings& out) {
  if (!found) return out.problem("queue", found.error().detail, "journalctl -u postern; the disk");
  std::int64_t recipients = 0;
  std::int64_t held = 0;
  std::string oldest;  // as text: it sorts as the time does
  std::string where;
  for (const json::value& entry : found->as_array()) {
    const json::object& group = entry.as_object();
    recipients += group.at("recipients").to_number<std::int64_t>();
    held += group.at("held").to_number<std::int64_t>();
    const std::string since(group.at("oldest").as_string());
    if (!oldest.empty() && since >= oldest) continue;
    oldest = since;
    where = group.at("key").as_string();
  }
  if (recipients == 0) return out.ok("queue", "empty");
  const std::string what = fmt::format("{} recipients wait, {} of them held; the oldest since {} for {}",
                                       recipients, held, oldest, where);
  if (held > 0) return out.warn("queue", what, "postern queue ls; postern queue release ID");
  if (oldest < shown(now - kOldMail)) return out.warn("queue", what, "postern queue ls --by reason");
  out.ok("queue", what);
}

Result<> examine(Context& context) {
  const TimePoint now = SystemClock().now();
  Findings out(context.json);
  const Result<config::Config> config = load_config(context);
  if (!config) {
    out.problem("config", config.error().detail, "correct it; postern setup writes a new one");
    out.finish();
    context.exit_code = kFailed;
    return {};
  }
  if (const auto settings = delivery_settings(*config); !settings) {
    out.problem("config", settings.error().detail, "correct it; postern config check");
  } else {
    out.ok("config", config_path(context));
  }
  check_files(*config, out);
  check_certificate(*config, now, out);
  check_clock(out);
  check_disk(*config, out);
  // The programs behind ports are seen by root only: before the directory is opened as its owner.
  std::vector<std::string> addresses;
  for (const auto* list : {&config->listen.submission, &config->listen.submissions, &config->listen.admin})
    addresses.insert(addresses.end(), list->begin(), list->end());
  const json::object nothing{{"verb", "queue.count"}, {"filter", admin::to_json(queue::Filter{.limit = 1})}};
  const Result<json::value> asked = admin::ask(control_path(*config), nothing);
  const bool runs = asked || asked.error().code != Errc::Closed;
  for (const std::string& address : addresses) check_port(address, runs, out);
  if (runs) {
    out.ok("server", "runs");
  } else {
    out.warn("server", "does not run", "systemctl start postern");
  }
  check_domains(context, *config, out);
  check_queue(groups(*config, runs), now, out);
  if (out.finish() > 0) context.exit_code = kFailed;
  return {};
}

}  // namespace

void add_doctor_commands(CLI::App& app, Context& context) {
  CLI::App* const command = app.add_subcommand(
      "doctor",
      "Look at everything this server needs, and say what to do: exit code 1 when there is a problem");
  command->callback([&context] { report(context, examine(context)); });
}

}  // namespace postern::app::cli
