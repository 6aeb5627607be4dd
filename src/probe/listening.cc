#include "probe/listening.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace postern::probe {
namespace {

std::vector<std::string> words(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

/// The kernel prints each 32-bit word of an address in the machine's order.
std::string octets_of(const std::string& hex) {
  std::string out;
  for (std::size_t word = 0; word + 8 <= hex.size(); word += 8) {
    std::uint32_t number = 0;
    std::from_chars(hex.data() + word, hex.data() + word + 8, number, 16);
    out.append(reinterpret_cast<const char*>(&number), sizeof number);
  }
  return out;
}

std::string file_text(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

/// Names the programs that hold the sockets.
void find_programs(std::vector<Listening>& sockets) {
  namespace fs = std::filesystem;
  std::error_code error;
  for (fs::directory_iterator process("/proc", error), end; !error && process != end;
       process.increment(error)) {
    const std::string pid = process->path().filename().string();
    if (!is_number(pid)) continue;
    std::error_code hidden;
    for (fs::directory_iterator file(process->path() / "fd", hidden);
         !hidden && file != fs::directory_iterator(); file.increment(hidden)) {
      std::error_code gone;
      const std::string target = fs::read_symlink(file->path(), gone).string();
      for (Listening& socket : sockets) {
        if (target != "socket:[" + std::to_string(socket.inode) + ']' || !socket.program.empty()) continue;
        std::string name = file_text("/proc/" + pid + "/comm");
        while (!name.empty() && name.back() == '\n') name.pop_back();
        socket.program = name + " (pid " + pid + ')';
      }
    }
  }
}

}  // namespace

bool Listening::everywhere() const {
  const auto& octets = ip.octets();
  return std::all_of(octets.begin(), octets.end(), [](std::uint8_t octet) { return octet == 0; });
}

std::vector<Listening> read_proc_net_tcp(std::string_view text, bool v6) {
  std::vector<Listening> out;
  std::istringstream lines{std::string(text)};
  std::string line;
  std::getline(lines, line);  // titles
  while (std::getline(lines, line)) {
    const std::vector<std::string> fields = words(line);
    constexpr std::size_t kInode = 9;
    if (fields.size() <= kInode || fields[3] != "0A") continue;  // TCP_LISTEN
    const std::size_t colon = fields[1].find(':');
    if (colon == std::string::npos) continue;
    Listening socket;
    socket.v6_socket = v6;
    const Result<net::IpAddress> ip = net::IpAddress::from_octets(octets_of(fields[1].substr(0, colon)));
    if (!ip) continue;
    socket.ip = *ip;
    const std::string port = fields[1].substr(colon + 1);
    std::from_chars(port.data(), port.data() + port.size(), socket.port, 16);
    std::from_chars(fields[kInode].data(), fields[kInode].data() + fields[kInode].size(), socket.inode);
    out.push_back(std::move(socket));
  }
  return out;
}

std::vector<Listening> listening_on(std::uint16_t port) {
  std::vector<Listening> out;
  for (const bool v6 : {false, true}) {
    for (Listening& socket :
         read_proc_net_tcp(file_text(v6 ? "/proc/self/net/tcp6" : "/proc/self/net/tcp"), v6)) {
      if (socket.port == port) out.push_back(std::move(socket));
    }
  }
  find_programs(out);
  return out;
}

}  // namespace postern::probe
