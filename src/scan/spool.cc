#include "scan/spool.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace postern::scan {
namespace {

Error failed(const char* what) {
  return fail(Errc::Unavailable, std::string("spool of a message: ") + what + ": " + std::strerror(errno));
}

}  // namespace

Spool::~Spool() {
  if (file_ >= 0) ::close(file_);
}

Result<> Spool::open_file() {
  std::string path = directory_ + "/scan-XXXXXX";
  file_ = ::mkostemp(path.data(), O_CLOEXEC);
  if (file_ < 0) return failed("cannot be made");
  ::unlink(path.c_str());  // a crash leaves nothing behind
  POSTERN_CHECK(write_out(head_));
  std::string().swap(head_);
  return {};
}

Result<> Spool::write_out(std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(file_, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("cannot be written");
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<> Spool::append(std::string_view content) {
  if (file_ < 0 && size_ + content.size() > memory_) POSTERN_CHECK(open_file());
  if (file_ >= 0) {
    POSTERN_CHECK(write_out(content));
  } else {
    head_ += content;
  }
  size_ += content.size();
  return {};
}

Result<std::string> Spool::read(std::uint64_t offset, std::size_t max) const {
  if (offset >= size_) return std::string();
  const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(max, size_ - offset));
  if (file_ < 0) return head_.substr(static_cast<std::size_t>(offset), wanted);
  std::string content(wanted, '\0');
  std::size_t got = 0;
  while (got < wanted) {
    const ssize_t more = ::pread(file_, content.data() + got, wanted - got, static_cast<off_t>(offset + got));
    if (more < 0 && errno == EINTR) continue;
    if (more < 0) return failed("cannot be read");
    if (more == 0) return fail(Errc::Unavailable, "spool of a message: shorter than written");
    got += static_cast<std::size_t>(more);
  }
  return content;
}

}  // namespace postern::scan
