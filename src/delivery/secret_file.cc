#include "delivery/secret_file.h"

#include <fstream>

namespace postern::delivery {

Result<std::string> read_secret(const std::string& path) {
  std::ifstream in(path);
  if (!in) return fail(Errc::NotFound, "cannot read the password file " + path);
  std::string line;
  std::getline(in, line);
  if (line.ends_with('\r')) line.pop_back();
  if (line.empty()) return fail(Errc::Malformed, "the password file " + path + " has an empty first line");
  return line;
}

}  // namespace postern::delivery
