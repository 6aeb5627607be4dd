#include "app/cli/common.h"
#include "dkim/key.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>

namespace postern::app::cli {
namespace {

struct Arguments {
  std::string name;
  std::string selector = "postern";
  std::string key_file;
  bool force = false;
};

/// The TXT record as BIND wants it: strings of at most 255 octets (RFC 6376 §3.6.2.2).
std::string bind_form(const std::string& name, const std::string& record) {
  std::string out = name + ". IN TXT (";
  constexpr std::size_t kString = 255;
  for (std::size_t at = 0; at < record.size(); at += kString)
    out += " \"" + record.substr(at, kString) + "\"";
  return out + " )";
}

Result<> show(const Context& context, const accounts::Domain& domain) {
  POSTERN_TRY(const dkim::SigningKey key, dkim::SigningKey::from_pem(domain.key_pem));
  const std::string name = domain.selector + "._domainkey." + domain.name;
  if (context.json) {
    std::cout << "{\"domain\":" << json_text(domain.name) << ",\"selector\":" << json_text(domain.selector)
              << ",\"record_name\":" << json_text(name) << ",\"record\":" << json_text(key.dns_record())
              << "}\n";
    return {};
  }
  std::cout << "Publish this TXT record:\n  " << name << "\n  " << key.dns_record() << "\nIn a zone file:\n  "
            << bind_form(name, key.dns_record()) << '\n';
  return {};
}

/// As it is kept: with A-labels, which is what a zone has (RFC 5890 §2.3.2.1).
Result<> show_named(const Context& context, accounts::Directory& directory, const std::string& name) {
  const std::optional<accounts::Domain> domain = directory.domain(name);
  if (!domain) return fail(Errc::NotFound, "no domain " + name);
  return show(context, *domain);
}

Result<std::string> key_text(const Arguments& arguments) {
  if (arguments.key_file.empty()) {
    POSTERN_TRY(const dkim::SigningKey key, dkim::SigningKey::generate(2048));
    return key.pem();
  }
  std::ifstream file(arguments.key_file);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return fail(Errc::NotFound, "cannot read " + arguments.key_file);
  return text.str();
}

Result<> add(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const std::string pem, key_text(arguments));  // before open_directory() gives up root's rights
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_CHECK(directory->add_domain({arguments.name, arguments.selector, pem}));
  return show_named(context, *directory, arguments.name);
}

Result<> list(const Context& context) {
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_TRY(const auto domains, directory->domains());
  std::string json;
  for (const accounts::Domain& d : domains) {
    if (context.json) {
      json += (json.empty() ? "" : ",") + std::string("{\"domain\":") + json_text(d.name) +
              ",\"selector\":" + json_text(d.selector) + "}";
    } else {
      std::cout << d.name << '\t' << d.selector << '\n';
    }
  }
  if (context.json) std::cout << '[' << json << "]\n";
  return {};
}

Result<> remove(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const auto directory, open_directory(context));
  const std::optional<accounts::Domain> domain = directory->domain(arguments.name);
  if (!domain) return fail(Errc::NotFound, "no domain " + arguments.name);
  POSTERN_TRY(const auto all, directory->accounts());
  const auto here = [&](const auto& account) { return account.address.ends_with("@" + domain->name); };
  const auto accounts = std::ranges::count_if(all, here);
  if (accounts > 0 && !arguments.force) {
    return fail(Errc::Denied, std::to_string(accounts) + " accounts of " + domain->name +
                                  " could not send any more: remove them first, or say --force");
  }
  POSTERN_CHECK(directory->remove_domain(arguments.name));
  if (context.json) {
    std::cout << "{\"removed\":" << json_text(domain->name) << ",\"selector\":" << json_text(domain->selector)
              << ",\"accounts\":" << accounts << "}\n";
    return {};
  }
  std::cout << "removed " << domain->name
            << " and its DKIM key; mail that waits unsigned keeps waiting. Added again, "
            << "the domain gets another key, and needs another record in DNS\n";
  return {};
}

}  // namespace

void add_domain_commands(CLI::App& app, Context& context) {
  static Arguments arguments;
  CLI::App* domain = app.add_subcommand("domain", "The domains we send for and sign")->require_subcommand(1);
  CLI::App* adding = domain->add_subcommand("add", "Add a domain, make its DKIM key, print the DNS record");
  adding->add_option("domain", arguments.name)->required();
  adding->add_option("--selector", arguments.selector, "DKIM selector");
  adding->add_option("--dkim-key", arguments.key_file, "Use this RSA key (PEM) instead of a new one");
  adding->callback([&context] { report(context, add(context, arguments)); });
  CLI::App* showing = domain->add_subcommand("show", "Print the DNS record again");
  showing->add_option("domain", arguments.name)->required();
  showing->callback([&context] {
    const auto directory = open_directory(context);
    report(context,
           directory ? show_named(context, **directory, arguments.name) : Result<>(directory.error()));
  });
  CLI::App* removing = domain->add_subcommand("rm", "Remove a domain and its key");
  removing->add_option("domain", arguments.name)->required();
  removing->add_flag("--force", arguments.force, "Also when accounts of the domain remain");
  removing->callback([&context] { report(context, remove(context, arguments)); });
  domain->add_subcommand("ls", "List domains")->callback([&context] { report(context, list(context)); });
}

}  // namespace postern::app::cli
