#pragma once

#include "base/result.h"

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

/// Files, owners and programs, for those who install. Errors: Unavailable, with path and reason.
namespace postern::app {

/// Creates or replaces the file as a whole, with these permission bits from the start.
[[nodiscard]] Result<> write_file(const std::string& path, std::string_view text, mode_t mode);
[[nodiscard]] Result<> make_directory(const std::string& path, mode_t mode);
[[nodiscard]] Result<std::string> read_file(const std::string& path);

struct SystemUser {
  uid_t uid;
  gid_t gid;
};
/// NotFound: there is no such user.
[[nodiscard]] Result<SystemUser> find_user(const std::string& name);
/// `uid` or `gid` -1: stays as it is.
[[nodiscard]] Result<> change_owner(const std::string& path, uid_t uid, gid_t gid);
/// The directory and all that is in it.
[[nodiscard]] Result<> change_owner_of_tree(const std::string& path, SystemUser owner);

/// Runs a program found in PATH to its end. Error: it is not there, or ended with something else than 0.
[[nodiscard]] Result<> run_program(const std::vector<std::string>& words);
[[nodiscard]] bool has_program(const std::string& name);

}  // namespace postern::app
