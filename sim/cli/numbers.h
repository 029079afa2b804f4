// Numbers that options take, checked as they are written: no sign is dropped and nothing wraps.
#pragma once
#include <cstdint>
#include <string>

namespace CLI {
class Validator;
}

namespace moesim::cli {

constexpr std::int64_t kMostJobs = 1024;            // threads at once: more than any machine here has cores
constexpr std::int64_t kMostCount = 1'000'000'000;  // of anything: still an int, with room for a sum

/// What is wrong with `text` as a whole number from `least` to `most`: 'expected a whole number from 1 to 64, got
/// "-1"';
/// "" if nothing is.
std::string whole_number_problem(const std::string& text, std::int64_t least, std::int64_t most);
/// The same for any seed, 0 to 2^64 - 1.
std::string seed_problem(const std::string& text);
/// The same for a finite number above 0, or from 0 on.
std::string number_problem(const std::string& text, bool zero_too);

/// For ->check(): refuses the option with that problem.
CLI::Validator whole_number(std::int64_t least, std::int64_t most);
CLI::Validator any_seed();
CLI::Validator number_above_zero();
CLI::Validator number_from_zero();
}  // namespace moesim::cli
