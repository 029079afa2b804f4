// Runs the program's command line inside a test.
#pragma once
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "cli/command.h"

namespace moesim {

/// Runs a command line and returns what it prints; a ConfigError's text for a wrong one.
inline std::string run_command(std::vector<std::string> words) {
  words.insert(words.begin(), "moesim");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  testing::internal::CaptureStdout();
  try {
    (void)cli::command(int(arguments.size()), arguments.data());
  } catch (const std::exception& e) {
    (void)testing::internal::GetCapturedStdout();
    return e.what();
  }
  std::fflush(stdout);
  return testing::internal::GetCapturedStdout();
}
}  // namespace moesim
