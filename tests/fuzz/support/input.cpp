#include "fuzz/support/input.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

namespace moesim::fuzz {
namespace {
struct Folder {
  std::string path = (std::filesystem::temp_directory_path() / "moesim.XXXXXX").string();
  Folder() {
    if (mkdtemp(path.data()) == nullptr) hold(false, "cannot make a folder " + path);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};
}  // namespace

const std::string& folder() {
  static const Folder out;
  return out.path;
}

std::string input_file(const std::string& name, std::string_view bytes) {
  const std::string file = folder() + "/" + name;
  const int out = open(file.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  hold(out >= 0 && write(out, bytes.data(), bytes.size()) == ssize_t(bytes.size()), "cannot write " + file);
  // Files are kept by time and size (core/read_once.h), and the clock of files ticks in milliseconds.
  static long inputs = 0;
  ++inputs;
  const timespec time{.tv_sec = 1'000'000'000 + inputs / 1'000'000, .tv_nsec = inputs % 1'000'000 * 1000};
  const timespec both[] = {time, time};
  futimens(out, both);
  close(out);
  return file;
}

bool taken(void (*call)(void*), void* read) {
  try {
    call(read);
    return true;
  } catch (const ConfigError& e) {
    hold(e.what()[0] != '\0', "refused without a word");
    return false;
  } catch (const std::exception& e) {
    hold(false, std::string("thrown: ") + e.what());
    return false;
  }
}

void hold(bool condition, std::string_view what) {
  if (condition) return;
  std::fprintf(stderr, "FINDING: %.*s\n", int(what.size()), what.data());
  abort();
}
}  // namespace moesim::fuzz
