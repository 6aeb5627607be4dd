#include "delivery/sandbox.h"

#include "app/cli/common.h"
#include "dkim/signer.h"

#include <iostream>

namespace postern::app::cli {
namespace {

Result<> list(const Context& context) {
  POSTERN_TRY(const config::Config config, load_state_config(context));
  POSTERN_TRY(const auto entries, delivery::Sandbox(config.data_dir + "/sandbox").list());
  std::string json;
  for (const delivery::SandboxEntry& e : entries) {
    std::string to;
    for (const std::string& r : e.recipients)
      to += (to.empty() ? "" : ",") + (context.json ? json_text(r) : r);
    if (context.json) {
      json += (json.empty() ? "" : ",") + std::string("{\"id\":") + json_text(to_string(e.id)) +
              ",\"sender\":" + json_text(e.sender) + ",\"recipients\":[" + to +
              "],\"captured_at\":" + json_text(shown(e.captured_at)) + ",\"size\":" + std::to_string(e.size) +
              "}";
    } else {
      std::cout << to_string(e.id) << "  " << shown(e.captured_at) << "  <" << e.sender << "> -> " << to
                << '\n';
    }
  }
  if (context.json) std::cout << '[' << json << "]\n";
  return {};
}

std::string signature_verdict(accounts::Directory& directory, const std::string& message) {
  const std::size_t d = message.find(" d=");
  if (!message.starts_with("DKIM-Signature:") || d == std::string::npos) return "no signature";
  const std::string name = message.substr(d + 3, message.find(';', d) - d - 3);
  const std::optional<accounts::Domain> domain = directory.domain(name);
  if (!domain) return "no key for " + name;
  const Result<dkim::SigningKey> key = dkim::SigningKey::from_pem(domain->key_pem);
  if (!key) return key.error().detail;
  const Result<dkim::Verified> verified = dkim::verify(*key, message);
  return verified ? "pass (d=" + verified->domain + ", s=" + verified->selector + ")"
                  : "fail: " + verified.error().detail;
}

Result<> show(const Context& context, const std::string& text) {
  POSTERN_TRY(const config::Config config, load_state_config(context));
  const std::optional<std::int64_t> id = parse_id_text(text);
  if (!id) return fail(Errc::Malformed, "not a queue id: " + text);
  POSTERN_TRY(const std::string message, delivery::Sandbox(config.data_dir + "/sandbox").read(QueueId{*id}));
  POSTERN_TRY(const auto directory, open_directory(context));
  const std::string verdict = signature_verdict(*directory, message);
  if (context.json) {
    std::cout << "{\"id\":" << json_text(text) << ",\"dkim\":" << json_text(verdict)
              << ",\"message\":" << json_text(message) << "}\n";
  } else {
    std::cout << "DKIM: " << verdict << "\n\n" << message;
  }
  return {};
}

}  // namespace

void add_sandbox_commands(CLI::App& app, Context& context) {
  static std::string id;
  CLI::App* sandbox =
      app.add_subcommand("sandbox", "Mail that was kept instead of sent (delivery.mode = \"sandbox\")")
          ->require_subcommand(1);
  sandbox->add_subcommand("ls", "List it")->callback([&context] { report(context, list(context)); });
  CLI::App* showing = sandbox->add_subcommand("show", "One message, with its DKIM signature checked");
  showing->add_option("id", id)->required();
  showing->callback([&context] { report(context, show(context, id)); });
}

}  // namespace postern::app::cli
