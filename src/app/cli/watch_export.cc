#include "app/cli/watch_parts.h"
#include "queue/handed_in.h"

#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>

namespace postern::app::cli {
namespace {

struct Arguments {
  std::string file = "-";
  std::string class_file;
};

const char* name_of(accounts::AccountClass kind) {
  return kind == accounts::AccountClass::App    ? "app"
         : kind == accounts::AccountClass::Bulk ? "bulk"
                                                : nullptr;
}

/// Which accounts are said to be other than a person: a replay needs to know it, too.
Result<> write_classes(const Context& context, const std::string& path) {
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_TRY(const std::vector<accounts::Account> all, directory->accounts());
  std::ofstream out(path);
  for (const accounts::Account& account : all) {
    if (const char* kind = name_of(account.kind)) out << account.address << '\t' << kind << '\n';
  }
  out.flush();
  if (!out) return fail(Errc::Unavailable, path + ": cannot be written");
  return {};
}

Result<> write_history(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const config::Config config, load_state_config(context));
  const std::string path = config.data_dir + "/history.db";
  if (!std::filesystem::exists(path)) return fail(Errc::NotFound, path + ": there is no history yet");
  POSTERN_CHECK(act_as_owner_of(config.data_dir));
  std::ofstream file;
  if (arguments.file != "-") file.open(arguments.file);
  std::ostream& out = arguments.file == "-" ? std::cout : file;
  out << "time\taccount\tip\trecipients\tresult\n";
  std::uint64_t lines = 0;
  POSTERN_TRY(const std::uint64_t unusable, queue::read_handed_in(path, [&](const queue::HandedIn& m) {
                out << std::chrono::duration_cast<std::chrono::seconds>(m.time.time_since_epoch()).count()
                    << '\t' << m.account << '\t' << m.client << '\t' << m.recipients << '\t'
                    << (m.bounced ? "bounced" : "sent") << '\n';
                ++lines;
              }));
  out.flush();
  if (!out) return fail(Errc::Unavailable, arguments.file + ": cannot be written");
  if (unusable > 0) std::cerr << unusable << " older records name no recipients and were left out.\n";
  if (arguments.file == "-") return {};
  if (context.json) {
    std::cout << "{\"file\":" << json_text(arguments.file) << ",\"events\":" << lines
              << ",\"left_out\":" << unusable << "}\n";
  } else {
    std::cout << lines << " events written to " << arguments.file << '\n';
  }
  return {};
}

Result<> write(const Context& context, const Arguments& arguments) {
  POSTERN_CHECK(write_history(context, arguments));
  return arguments.class_file.empty() ? Result<>{} : write_classes(context, arguments.class_file);
}

}  // namespace

void add_watch_export(CLI::App& watch, Context& context) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      watch.add_subcommand("export", "What accounts handed in, as a file for postern watch replay");
  command->add_option("FILE", arguments->file, "Where to write; - or nothing is standard output");
  command->add_option("--class-file", arguments->class_file,
                      "Write the accounts that are of class app or bulk there, for replay's option");
  command->callback([&context, arguments] { report(context, write(context, *arguments)); });
}

}  // namespace postern::app::cli
