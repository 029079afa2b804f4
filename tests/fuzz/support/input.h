// What every fuzzer of this folder does with its input.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "core/config_error.h"

namespace moesim::fuzz {

/// A folder of this process's own under $TMPDIR, gone with it unless it crashes.
const std::string& folder();

/// Writes `bytes` to folder()/name over what was there, at a time of change of its own, so that nobody takes it for the
/// input before it.  Returns its path.
std::string input_file(const std::string& name, std::string_view bytes);
inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Lets `read` take its input or refuse it with a ConfigError that says something.  Whatever else it does ends the
/// fuzzer: another exception, said here since libFuzzer does not say which.  Returns whether it was taken.
bool taken(void (*call)(void*), void* read);
template <class Read>
bool taken(Read&& read) {
  return taken([](void* f) { (*static_cast<std::remove_reference_t<Read>*>(f))(); }, &read);
}
/// Ends the fuzzer: what holds of whatever can be read does not.
void hold(bool condition, std::string_view what);
}  // namespace moesim::fuzz
