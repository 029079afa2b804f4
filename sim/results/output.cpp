#include "results/output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "core/config_error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/new_file.h"
#include "core/replacing.h"
#include "results/schema.h"
#include "results/store.h"

namespace moesim::results {
namespace fs = std::filesystem;
namespace {
constexpr int kAttempts = 25;  // half a second: a process that was just killed holds its lock until it is gone

/// "process 4711 (moesim run quickstart)", from the kernel's list of locks; "another process" where it shows none.
std::string holder(int descriptor) {
  struct stat status {};
  fstat(descriptor, &status);
  const std::string inode = fmt::format("{:02x}:{:02x}:{}", major(status.st_dev), minor(status.st_dev), status.st_ino);
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {  // 1: FLOCK ADVISORY WRITE 4711 08:01:1234 0 EOF
    std::istringstream words(line);
    std::string number, kind, mode, access, process, where;
    words >> number >> kind >> mode >> access >> process >> where;
    if (kind != "FLOCK" || where != inode) continue;
    std::ifstream command("/proc/" + process + "/cmdline");
    std::string text{std::istreambuf_iterator<char>(command), {}};
    std::ranges::replace(text, '\0', ' ');
    while (text.ends_with(' ')) text.pop_back();
    return text.empty() ? "process " + process : fmt::format("process {} ({})", process, text);
  }
  return "another process";
}

/// The application_id of a SQLite database, without asking SQLite, which may write into what it opens; -1 for any other
/// file.
std::int64_t application_id(const std::string& file) {
  constexpr std::size_t kIdAt = 68;  // https://www.sqlite.org/fileformat.html
  char head[kIdAt + 4] = {};
  if (!std::ifstream(file, std::ios::binary).read(head, sizeof head)) return -1;
  std::uint32_t id = 0;
  for (std::size_t i = 0; i < 4; ++i) id = id << 8 | std::uint8_t(head[kIdAt + i]);
  return std::string_view(head, 15) == "SQLite format 3" ? std::int64_t{id} : -1;
}

/// Whether it begins as a database of ours does that was not finished, or has its end in the log beside it.
bool may_be_unfinished(const std::string& file) { return application_id(file) == kUnfinished; }

bool is_unfinished(const std::string& file) {
  try {
    const Database db = Database::open_existing(file);
    return db.value("PRAGMA application_id") == fmt::to_string(kUnfinished) &&
           (!db.has_table("run") || db.has_tables_of(schema_sql()));
  } catch (const ConfigError&) {
    return false;
  }
}

/// Ends it as what it is, in one file where nobody else has it open.
void close_unfinished(const std::string& file) {
  Database db = Database::open_existing(file);
  if (db.has_table("run")) db.exec("UPDATE run SET state = 'failed' WHERE state = 'running'");
  db.close();
}

/// What SQLite keeps beside a database, and takes for a part of it where it finds it: its end, and the index of that.
constexpr const char* kIndex = "-shm";
constexpr const char* kBeside[] = {"-wal", "-journal", kIndex};

bool are_one(const std::string& a, const std::string& b) {
  std::error_code error;
  return fs::equivalent(a, b, error) && !error;
}

/// FILE.unfinished.db, or with the first number that is free: or was given to the parts of `file` by a program that was
/// ended before it had taken their own names away.
std::string aside(const std::string& file) {
  const fs::path path(file);
  for (int n = 1;; ++n) {
    const std::string tail = n == 1 ? "" : fmt::format("-{}", n);
    const fs::path name =
        path.parent_path() / fmt::format("{}.unfinished{}{}", path.stem().string(), tail, path.extension().string());
    const auto is_there = [&](const char* part) {
      std::error_code error;
      return fs::exists(fs::symlink_status(name.string() + part, error)) && !are_one(name.string() + part, file + part);
    };
    if (!is_there("") && std::ranges::none_of(kBeside, is_there)) return name.string();
  }
}
/// A second name.  False where the file system has none.
bool give_name(const std::string& file, const std::string& name) {
  return link(file.c_str(), name.c_str()) == 0 || are_one(file, name);
}
void take_name(const std::string& file) {
  if (unlink(file.c_str()) != 0)
    throw ConfigError::placed(fmt::format("{}: cannot be moved aside: {}", file, std::strerror(errno)));
}
}  // namespace

Descriptor lock_output(const std::string& file) {
  Descriptor out(open(file.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!out) throw ConfigError::placed(fmt::format("{}: cannot be opened: {}", file, std::strerror(errno)));
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (flock(out.number(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
      return out;  // no locks there: as good as we can
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  throw ConfigError::placed(fmt::format("{}: is being written by {}", file, holder(out.number())));
}

std::string set_aside(const std::string& file, bool tell) {
  const std::string to = aside(file);
  std::error_code error;
  // The log may hold the last rows.  Every part has both names before the database loses its old one: whenever this is
  // cut short, a name of the database stands beside the same of its log.
  bool linked = true;
  for (const char* part : {"-wal", "-shm", ""})
    if (linked && fs::exists(file + part, error)) linked = give_name(file + part, to + part);
  for (const char* part : {"", "-wal", "-shm"})
    if (fs::exists(file + part, error)) linked ? take_name(file + part) : rename_new(file + part, to + part);
  sync_folder_of(file);
  if (tell) say(fmt::format("{} was left by a run that did not end; it is now {}", file, to));
  return to;
}

void remove_output(const std::string& file) {
  for (const char* part : {"", "-wal", "-shm"}) {
    std::error_code ignored;
    fs::remove(file + part, ignored);
  }
}

void set_stray_logs_aside(const std::string& file) {
  std::error_code error;
  for (const char* part : kBeside) {
    const std::string log = file + part;
    if (!fs::exists(fs::symlink_status(log, error))) continue;
    const Descriptor lock = lock_output(log);  // or of two that begin at once, one takes the new log of the other
    struct stat held {
    }, named{};
    if (fstat(lock.number(), &held) != 0 || stat(log.c_str(), &named) != 0 || held.st_ino != named.st_ino) continue;
    if (fs::exists(fs::symlink_status(file, error))) continue;
    // Of a database that set_aside() had moved already, or with nothing in it that the log has not.
    if (held.st_nlink > 1 || part == kIndex) {
      take_name(log);
      continue;
    }
    const std::string to = aside(file) + part;
    rename_new(log, to);
    say(fmt::format("{} was left without its database; it is now {}", log, to));
  }
}

Descriptor before_replacing(const std::string& file) {
  writes_database(file);
  if (!may_replace(file)) return {};
  Descriptor lock = lock_output(file);
  for (const char* part : kBeside) {
    std::error_code ignored;
    fs::remove(file + part, ignored);
  }
  return lock;
}

std::string make_way(const std::string& file, bool tell) {
  writes_database(file);
  if (may_replace(file)) {
    if (const std::int64_t id = application_id(file); id != kWhole && id != kUnfinished)
      throw ConfigError::placed(
          fmt::format("{}: holds no results; --force overwrites results with results alone", file));
    (void)lock_output(file);  // refuses what is being written
    check_new_file(file);
    return "";
  }
  std::string moved;
  std::error_code error;
  if (fs::is_regular_file(fs::symlink_status(file, error)) && may_be_unfinished(file) &&
      access(file.c_str(), W_OK) == 0) {
    const Descriptor lock = lock_output(file);
    if (is_unfinished(file)) {
      close_unfinished(file);
      moved = set_aside(file, tell);
    }
  }
  check_new_file(file);
  set_stray_logs_aside(file);
  return moved;
}
}  // namespace moesim::results
