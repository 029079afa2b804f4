#include "formats/line_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/utf8.h"

namespace moesim::formats {
namespace {
constexpr std::size_t kPiece = 1 << 20, kLongest = std::size_t{64} << 20;
}

LineFile::LineFile(const std::string& file)
    : file_(std::make_unique<const ByteFile>(file)), name_(file), end_(file_->size()) {}

LineFile::LineFile(std::string text, const std::string& name) : name_(name), buffer_(std::move(text)) {}

LineFile LineFile::of_text(std::string text, const std::string& name) { return {std::move(text), name}; }

void LineFile::refill() {
  if (buffer_.size() - start_ > kLongest) {
    ++number_;
    fail("the line is longer than 64 MiB");
  }
  buffer_.erase(0, start_);
  start_ = 0;
  const std::uint64_t n = std::min<std::uint64_t>(kPiece, end_ - read_);
  buffer_ += file_->read(read_, n, "a line");
  read_ += n;
}

bool LineFile::next() {
  for (std::size_t looked = start_;;) {
    const std::size_t end = buffer_.find('\n', looked);
    if (end == std::string::npos && read_ < end_) {
      looked = buffer_.size() - start_;
      refill();
      continue;
    }
    if (end == std::string::npos && start_ == buffer_.size()) return false;
    const std::size_t stop = std::min(end, buffer_.size());
    line_ = std::string_view(buffer_).substr(start_, stop - start_);
    looked = start_ = std::min(stop + 1, buffer_.size());
    if (++number_ == 1 && line_.starts_with("\xef\xbb\xbf")) line_.remove_prefix(3);
    if (line_.ends_with('\r')) line_.remove_suffix(1);
    if (line_.find_first_not_of(" \t") != std::string_view::npos) return true;
  }
}

std::string LineFile::where() const { return fmt::format("{}:{}", name_, number_); }

void LineFile::fail(std::string_view problem) const {
  throw ConfigError::placed(one_line(fmt::format("{}: {}", where(), problem)));
}
}  // namespace moesim::formats
