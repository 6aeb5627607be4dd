#include "app/setup/files.h"

#include <fcntl.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

extern char** environ;

namespace postern::app {
namespace {

Error trouble(const std::string& path) { return fail(Errc::Unavailable, path + ": " + std::strerror(errno)); }

Result<> write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0) return trouble(path);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return ::fsync(fd) == 0 ? Result<>{} : trouble(path);
}

}  // namespace

Result<> write_file(const std::string& path, std::string_view text, mode_t mode) {
  const std::string fresh = path + ".new";
  ::unlink(fresh.c_str());
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0) return trouble(fresh);
  Result<> written = write_all(fd, text, fresh);
  if (written && ::fchmod(fd, mode) != 0) written = trouble(fresh);  // the umask took some bits
  ::close(fd);
  if (written && ::rename(fresh.c_str(), path.c_str()) != 0) written = trouble(path);
  if (!written) ::unlink(fresh.c_str());
  return written;
}

Result<> make_directory(const std::string& path, mode_t mode) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return {};
  std::filesystem::create_directories(path, error);
  if (error) return fail(Errc::Unavailable, path + ": " + error.message());
  return ::chmod(path.c_str(), mode) == 0 ? Result<>{} : trouble(path);
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return fail(Errc::NotFound, "cannot read " + path);
  return text.str();
}

Result<SystemUser> find_user(const std::string& name) {
  const passwd* user = ::getpwnam(name.c_str());
  if (user == nullptr) return fail(Errc::NotFound, "there is no user " + name);
  return SystemUser{user->pw_uid, user->pw_gid};
}

Result<> change_owner(const std::string& path, uid_t uid, gid_t gid) {
  return ::lchown(path.c_str(), uid, gid) == 0 ? Result<>{} : trouble(path);
}

Result<> change_owner_of_tree(const std::string& path, SystemUser owner) {
  POSTERN_CHECK(change_owner(path, owner.uid, owner.gid));
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(path, error), end; !error && at != end;
       at.increment(error))
    POSTERN_CHECK(change_owner(at->path().string(), owner.uid, owner.gid));
  if (error) return fail(Errc::Unavailable, path + ": " + error.message());
  return {};
}

Result<> run_program(const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t child = 0;
  if (const int code = ::posix_spawnp(&child, arguments[0], nullptr, nullptr, arguments.data(), environ);
      code != 0)
    return fail(Errc::Unavailable, words.front() + ": " + std::strerror(code));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(Errc::Unavailable, words.front() + " failed");
}

bool has_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::stringstream places(path == nullptr ? "/usr/sbin:/usr/bin:/sbin:/bin" : path);
  for (std::string place; std::getline(places, place, ':');) {
    if (::access((place + "/" + name).c_str(), X_OK) == 0) return true;
  }
  return false;
}

}  // namespace postern::app
