#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/files.h"
#include "core/log.h"
#include "core/utf8.h"
#include "recording/record.h"

namespace moesim::recording {
namespace {
namespace fs = std::filesystem;

/// Control bytes that no text holds, besides tabs, line ends, form feeds and escapes of terminals.
bool is_control(char c) {
  const auto b = static_cast<unsigned char>(c);
  return b == 0x7f || (b < 0x20 && b != '\t' && b != '\n' && b != '\r' && b != '\f' && b != 0x1b);
}

RecordRequest read_text(const std::string& file, const std::string& domain, std::int64_t limit,
                        numerics::Tokenizer* tokenizer) {
  const std::string bytes = read_file(file);
  if (bytes.empty()) throw ConfigError(fmt::format("{}: is empty, expected text", file));
  if (const std::size_t at = bytes.find('\0'); at != std::string::npos)
    throw ConfigError(fmt::format("{}: expected text, but byte {} is zero; token ids go in with --tokens", file, at));
  // Compressed or encrypted data may lack zeros; one control byte in fifty is more than any text has, and random bytes
  // have one in nine.
  if (const auto controls = std::ranges::count_if(bytes, is_control); std::size_t(controls) * 50 > bytes.size())
    throw ConfigError(
        fmt::format("{}: expected text, but {} of its {} bytes are control characters; token ids go in with --tokens",
                    file, controls, bytes.size()));
  RecordRequest r{file, domain, {}};
  if (tokenizer != nullptr) {
    Progress progress("tokenizing", bytes.size(), "B");
    r.tokens = tokenizer->encode(bytes, file, [&](std::size_t done) { progress.at(done, file); });
  } else {
    for (const char c : bytes) r.tokens.push_back(int(static_cast<unsigned char>(c)));
  }
  if (limit > 0 && r.tokens.size() > std::size_t(limit)) r.tokens.resize(std::size_t(limit));
  if (r.tokens.empty()) throw ConfigError(fmt::format("{}: no token is left of it", file));
  return r;
}

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (std::error_code unknown; at->is_regular_file(unknown) && at->path().filename().string().front() != '.')
      out.push_back(at->path().string());
  if (error) throw ConfigError(fmt::format("{}: cannot be read: {}", folder, error.message()));
  std::ranges::sort(out);
  if (out.empty()) throw ConfigError(fmt::format("{}: holds no files", folder));
  return out;
}
}  // namespace

std::unique_ptr<numerics::Tokenizer> tokenizer_of(const std::string& folder) {
  const std::string file = (fs::path(folder) / "tokenizer.json").string();
  std::error_code unknown;
  return fs::exists(file, unknown) ? std::make_unique<numerics::Tokenizer>(file) : nullptr;
}

std::vector<RecordRequest> read_texts(const std::vector<std::string>& paths, std::int64_t limit,
                                      numerics::Tokenizer* tokenizer) {
  std::vector<RecordRequest> out;
  for (const std::string& path : paths) {
    if (std::error_code unknown; !fs::is_directory(path, unknown)) {
      out.push_back(read_text(path, as_utf8(fs::path(path).stem().string()), limit, tokenizer));
      continue;
    }
    const fs::path folder = fs::absolute(path).lexically_normal();
    const std::string domain = as_utf8((folder.has_filename() ? folder : folder.parent_path()).filename().string());
    for (const std::string& file : files_in(path)) out.push_back(read_text(file, domain, limit, tokenizer));
  }
  return out;
}
}  // namespace moesim::recording
