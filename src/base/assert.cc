#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace postern {
void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "postern: %s:%d: assertion failed: %s\n", file, line, expression);
  std::abort();
}
}  // namespace postern
