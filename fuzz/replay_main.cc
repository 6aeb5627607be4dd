// Runs a fuzz target as an ordinary test: every file of a corpus, and every beginning of it.
#include "fuzz.h"
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string seed{std::istreambuf_iterator<char>(in), {}};
    for (std::size_t length = 0; length <= seed.size(); ++length) {
      const std::string cut =
          seed.substr(0, length);  // its own allocation: a sanitizer sees reads past the end
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(cut.data()), cut.size());
    }
    ++files;
  }
  std::printf("%zu files\n", files);
  return files > 0 ? 0 : 1;
}
