#include "delivery/sandbox.h"

#include <boost/json.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

namespace postern::delivery {
namespace {

Error system_failure(const std::string& path) {
  return fail(Errc::Unavailable, path + ": " + std::strerror(errno));
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

Result<> write_synced(const std::string& path, std::string_view content) {
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  if (file.get() < 0) return system_failure(path);
  while (!content.empty()) {
    const ssize_t n = ::write(file.get(), content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_failure(path);
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(file.get()) != 0) return system_failure(path);
  return {};
}

Result<> sync_directory(const std::string& path) {
  const FileDescriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0 || ::fsync(directory.get()) != 0) return system_failure(path);
  return {};
}

/// Readers never see half a file: it gets its name when it is whole.
Result<> replace_file(const std::string& path, std::string_view content) {
  const std::string unfinished = path + ".new";
  POSTERN_CHECK(write_synced(unfinished, content));
  if (::rename(unfinished.c_str(), path.c_str()) != 0) return system_failure(path);
  return {};
}

Result<std::string> read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(Errc::NotFound, "no file " + path);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::string to_json(const SandboxEntry& entry) {
  boost::json::array recipients;
  for (const std::string& r : entry.recipients) recipients.emplace_back(r);
  const boost::json::object object{{"id", to_string(entry.id)},
                                   {"sender", entry.sender},
                                   {"recipients", std::move(recipients)},
                                   {"captured_at_ms", entry.captured_at.time_since_epoch().count()},
                                   {"size", entry.size}};
  return boost::json::serialize(object) + "\n";
}

Result<SandboxEntry> from_json(const std::string& text, const std::string& path) {
  const auto corrupt = [&path] {
    return fail(Errc::Corrupt, path + " is not a description of a captured message");
  };
  boost::system::error_code bad;
  const boost::json::value value = boost::json::parse(text, bad);
  if (bad || !value.is_object()) return corrupt();
  const boost::json::object& object = value.get_object();
  const auto* id = object.if_contains("id");
  const auto* sender = object.if_contains("sender");
  const auto* recipients = object.if_contains("recipients");
  const auto* at = object.if_contains("captured_at_ms");
  const auto* size = object.if_contains("size");
  if (id == nullptr || !id->is_string() || sender == nullptr || !sender->is_string() ||
      recipients == nullptr || !recipients->is_array() || at == nullptr || !at->is_int64() ||
      size == nullptr || !size->is_int64()) {
    return corrupt();
  }
  const auto number = parse_id_text(std::string_view(id->get_string()));
  if (!number) return corrupt();
  SandboxEntry entry{.id = QueueId{*number},
                     .sender = std::string(std::string_view(sender->get_string())),
                     .recipients = {},
                     .captured_at = TimePoint{std::chrono::milliseconds{at->get_int64()}},
                     .size = static_cast<std::size_t>(size->get_int64())};
  for (const auto& r : recipients->get_array()) {
    if (!r.is_string()) return corrupt();
    entry.recipients.emplace_back(std::string_view(r.get_string()));
  }
  return entry;
}

}  // namespace

std::string Sandbox::path(QueueId id, std::string_view suffix) const {
  return directory_ + "/" + to_string(id) + std::string(suffix);
}

Result<> Sandbox::capture(const SandboxEntry& entry, std::string_view content) const {
  if (::mkdir(directory_.c_str(), 0750) != 0 && errno != EEXIST) return system_failure(directory_);
  POSTERN_CHECK(replace_file(path(entry.id, ".eml"), content));
  POSTERN_CHECK(replace_file(path(entry.id, ".json"), to_json(entry)));
  return sync_directory(directory_);
}

Result<std::vector<SandboxEntry>> Sandbox::list() const {
  std::error_code failed;
  std::vector<SandboxEntry> entries;
  std::filesystem::directory_iterator files(directory_, failed);
  if (failed == std::errc::no_such_file_or_directory) return entries;
  if (failed) return fail(Errc::Unavailable, directory_ + ": " + failed.message());
  for (const auto& file : files) {
    if (file.path().extension() != ".json") continue;
    POSTERN_TRY(const std::string text, read_whole(file.path()));
    POSTERN_TRY(SandboxEntry entry, from_json(text, file.path()));
    entries.push_back(std::move(entry));
  }
  std::ranges::sort(entries, {}, &SandboxEntry::id);
  return entries;
}

Result<SandboxEntry> Sandbox::find(QueueId id) const {
  POSTERN_TRY(const std::string text, read_whole(path(id, ".json")));
  return from_json(text, path(id, ".json"));
}

Result<std::string> Sandbox::read(QueueId id) const { return read_whole(path(id, ".eml")); }

}  // namespace postern::delivery
