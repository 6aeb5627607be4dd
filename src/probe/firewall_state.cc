#include "probe/firewall_state.h"

#include <boost/json.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace postern::probe {
namespace {

namespace json = boost::json;

std::string string_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  const auto* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string() : std::string(*text);
}

std::vector<std::string> strings_of(const json::value& value) {
  std::vector<std::string> out;
  if (const auto* list = value.if_array()) {
    for (const json::value& entry : *list) {
      if (const auto* text = entry.if_string()) out.emplace_back(*text);
    }
  }
  return out;
}

json::array json_of(const std::vector<std::string>& list) {
  json::array out;
  for (const std::string& text : list) out.emplace_back(text);
  return out;
}

Error system_error(const std::string& path) {
  return fail(Errc::Unavailable, path + ": " + std::strerror(errno));
}

}  // namespace

Result<std::vector<OpenedPort>> read_state(const std::string& text) {
  std::vector<OpenedPort> out;
  if (text.empty()) return out;
  boost::system::error_code error;
  const json::value document = json::parse(text, error);
  if (error || !document.is_array()) return fail(Errc::Corrupt, "the record of opened ports is damaged");
  for (const json::value& entry : document.get_array()) {
    const auto* object = entry.if_object();
    const json::value* port = object == nullptr ? nullptr : object->if_contains("port");
    if (port == nullptr || !port->is_int64())
      return fail(Errc::Corrupt, "the record of opened ports is damaged");
    OpenedPort opened;
    opened.port = static_cast<std::uint16_t>(port->get_int64());
    opened.from = string_of(*object, "from");
    opened.backend = string_of(*object, "backend");
    opened.opened = string_of(*object, "opened");
    opened.comment = string_of(*object, "comment");
    if (const auto* undo = object->if_contains("undo"); undo != nullptr && undo->is_array()) {
      for (const json::value& command : undo->get_array()) opened.undo.push_back(strings_of(command));
    }
    if (const auto* files = object->if_contains("files")) opened.files = strings_of(*files);
    out.push_back(std::move(opened));
  }
  return out;
}

std::string write_state(const std::vector<OpenedPort>& list) {
  json::array out;
  for (const OpenedPort& opened : list) {
    json::array undo;
    for (const Command& command : opened.undo) undo.push_back(json_of(command));
    out.push_back(json::object{{"port", opened.port},
                               {"from", opened.from},
                               {"backend", opened.backend},
                               {"opened", opened.opened},
                               {"comment", opened.comment},
                               {"undo", std::move(undo)},
                               {"files", json_of(opened.files)}});
  }
  return json::serialize(out) + '\n';
}

std::vector<Command> nft_deletions(const std::string& nft_json, const std::string& comment) {
  std::vector<Command> out;
  boost::system::error_code error;
  const json::value document = json::parse(nft_json, error);
  if (error || !document.is_object()) return out;
  const json::value* list = document.get_object().if_contains("nftables");
  if (list == nullptr || !list->is_array()) return out;
  for (const json::value& entry : list->get_array()) {
    const auto* object = entry.if_object();
    const json::value* rule = object == nullptr ? nullptr : object->if_contains("rule");
    if (rule == nullptr || !rule->is_object() || string_of(rule->get_object(), "comment") != comment)
      continue;
    const json::object& found = rule->get_object();
    const json::value* handle = found.if_contains("handle");
    if (handle == nullptr || !handle->is_int64()) continue;
    out.push_back({"nft", "delete", "rule", string_of(found, "family"), string_of(found, "table"),
                   string_of(found, "chain"), "handle", std::to_string(handle->get_int64())});
  }
  return out;
}

std::string without_lines(const std::string& text, const std::string& comment) {
  std::string out;
  bool any_rule = false;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.find('"' + comment + '"') != std::string::npos) continue;
    any_rule |= line.find("\"postern firewall ") != std::string::npos ||
                !text.starts_with("# Made by `postern firewall");
    out += line + '\n';
  }
  return any_rule ? out : "";
}

std::string without_line(const std::string& text, const std::string& line) {
  std::string out;
  std::istringstream lines(text);
  for (std::string one; std::getline(lines, one);) {
    if (one != line) out += one + '\n';
  }
  return out;
}

Result<> replace_file(const std::string& given, const std::string& text) {
  std::error_code error;
  // A link stays a link: what it names is replaced.
  const bool is_link = std::filesystem::is_symlink(given, error);
  const std::string path = is_link ? std::filesystem::weakly_canonical(given, error).string() : given;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  struct stat old {};
  constexpr mode_t kUsual = 0644;
  const mode_t mode = ::stat(path.c_str(), &old) == 0 ? old.st_mode & 07777U : kUsual;
  const std::string fresh = path + ".postern-new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0) return system_error(fresh);
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t written = ::write(fd, text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    done += static_cast<std::size_t>(written);
  }
  const bool good = done == text.size() && ::fchmod(fd, mode) == 0 && ::fsync(fd) == 0;
  const Result<> outcome = good ? Result<>() : Result<>(system_error(fresh));
  ::close(fd);
  if (outcome && ::rename(fresh.c_str(), path.c_str()) == 0) return {};
  if (outcome && errno == EBUSY) {  // mounted by itself, as in containers: cannot be replaced, only written
    ::unlink(fresh.c_str());
    std::ofstream file(path, std::ios::trunc);
    file << text << std::flush;
    return file ? Result<>() : Result<>(system_error(path));
  }
  if (outcome) return system_error(path);
  ::unlink(fresh.c_str());
  return outcome;
}

}  // namespace postern::probe
