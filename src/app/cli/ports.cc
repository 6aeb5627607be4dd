#include "probe/ports.h"

#include "app/cli/common.h"

#include <fmt/format.h>

#include <iostream>

namespace postern::app::cli {
namespace {

std::string json_of(const probe::MailPort& port) {
  return fmt::format(R"({{"port":{},"service":{},"use":{},"encryption":{},"exposure":{},"reference":{}}})",
                     port.number, json_text(port.service), json_text(port.use), json_text(port.encryption),
                     json_text(port.exposure), json_text(port.reference));
}

void show(const probe::MailPort& port) {
  std::cout << fmt::format(
      "{} {}\n  use:         {}\n  encryption:  {}\n  who opens it: {}\n  reference:   {}\n", port.number,
      port.service, port.use, port.encryption, port.exposure, port.reference);
}

Result<> ports(const Context& context, int number) {
  if (number != 0) {
    const probe::MailPort* const port = probe::find_mail_port(static_cast<std::uint16_t>(number));
    if (port == nullptr)
      return fail(Errc::NotFound, fmt::format("{} is no port of mail; `postern ports` lists those", number));
    if (context.json) {
      std::cout << json_of(*port) << '\n';
    } else {
      show(*port);
    }
    return {};
  }
  std::string json;
  for (const probe::MailPort& port : probe::mail_ports()) {
    json += (json.empty() ? "" : ",") + json_of(port);
    if (!context.json) show(port);
  }
  if (context.json) std::cout << '[' << json << "]\n";
  return {};
}

}  // namespace

void add_ports_commands(CLI::App& app, Context& context) {
  static int number = 0;
  CLI::App* const command =
      app.add_subcommand("ports", "What the ports of mail are for, and who should open them");
  command->add_option("number", number, "Only this port")->check(port_number());
  command->callback([&context] { report(context, ports(context, number)); });
}

}  // namespace postern::app::cli
