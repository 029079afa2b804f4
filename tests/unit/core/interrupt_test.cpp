// Ctrl-C and its kin, each raised in a process of its own: what it says on its way out, how it ends, and when.
#include "core/interrupt.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <stdexcept>
#include <thread>

namespace moesim::core {
namespace {
using std::chrono::milliseconds;
using testing::ExitedWithCode;

constexpr int kByItself = 7;            // how these processes end where nothing else ends them
constexpr milliseconds kWatched{1000};  // longer than the watching thread waits
constexpr milliseconds kBusy{15000};    // work that only that thread ends, however loaded the machine is
constexpr milliseconds kPastEcho{200};  // after which a second signal is another request
const char* const kSaysNothing = "^$";

void sleep_for(milliseconds time) { std::this_thread::sleep_for(time); }

/// Under watch: a process that hangs ends by a signal of its own.
void watched() {
  alarm(20);
  watch_interrupts();
}
void expect_or_die(bool holds) {
  if (!holds) _exit(99);
}
std::string nothing() { return ""; }

TEST(Interrupts, BusyWorkIsEndedAndSaysWhatIsLeftNewestFirst) {
  const auto busy = [] {
    watched();
    const Unfinished first([] { return "a.db holds what was done until then"; }), silent(nothing),
        broken([]() -> std::string { throw std::runtime_error("b.db: disk full"); });
    {
      const Unfinished over([] { return "what ended before"; });
    }
    raise(SIGTERM);
    sleep_for(kBusy);
    _exit(kByItself);
  };
  EXPECT_EXIT(busy(), ExitedWithCode(128 + SIGTERM),
              "^interrupted: b.db: disk full; a.db holds what was done until then\n$");
}

TEST(Interrupts, WhereNothingIsKeptNothingWasWritten) {
  const auto busy = [] {
    watched();
    raise(SIGINT);
    sleep_for(kBusy);
    _exit(kByItself);
  };
  EXPECT_EXIT(busy(), ExitedWithCode(128 + SIGINT), "^interrupted: nothing was written\n$");
}

TEST(Interrupts, TheProgramHasAMomentToEndByItself) {
  const auto ends = [] {
    watched();
    expect_or_die(!interrupted() && interrupting_signal() == 0);
    end_has_begun();  // of no effect before a signal
    stop_if_interrupted();
    raise(SIGTERM);
    expect_or_die(interrupted() && interrupting_signal() == SIGTERM);
    for (int i = 0; i < 2; ++i) end_has_begun();
    sleep_for(kWatched);  // however long closing takes
    _exit(kByItself);
  };
  EXPECT_EXIT(ends(), ExitedWithCode(kByItself), kSaysNothing);
}

TEST(Interrupts, WhatComesAfterTheWatchingThreadDoesNotGoOn) {
  const auto late = [] {
    watched();
    std::atomic<bool> saving{false};
    const Unfinished slow([&] {
      saving = true;
      sleep_for(milliseconds(300));
      return "slowly";
    });
    raise(SIGINT);
    while (!saving) sleep_for(milliseconds(1));
    end_has_begun();
    _exit(kByItself);
  };
  EXPECT_EXIT(late(), ExitedWithCode(128 + SIGINT), "^interrupted: slowly\n$");
}

TEST(Interrupts, AnImpatientSecondEndsAtOnceAndAnEchoDoesNot) {
  const auto twice = [](milliseconds apart) {
    std::signal(SIGHUP, SIG_DFL);  // whoever runs this may be under nohup
    watched();
    const Unfinished slow([=] {
      sleep_for(4 * apart);
      return "all is kept";
    });
    raise(SIGHUP);
    sleep_for(apart);
    raise(SIGTERM);
    sleep_for(kBusy);
    _exit(kByItself);
  };
  EXPECT_EXIT(twice(kPastEcho), ExitedWithCode(128 + SIGTERM), kSaysNothing);
  EXPECT_EXIT(twice(milliseconds(0)), ExitedWithCode(128 + SIGHUP), "^interrupted: all is kept\n$");
}

TEST(Interrupts, NohupHolds) {
  const auto hung_up = [] {
    std::signal(SIGHUP, SIG_IGN);
    watched();
    raise(SIGHUP);
    _exit(interrupted() ? 99 : kByItself);
  };
  EXPECT_EXIT(hung_up(), ExitedWithCode(kByItself), kSaysNothing);
}

TEST(Interrupts, AreThrownByLongWork) {
  const auto work = [] {
    watched();
    raise(SIGINT);
    end_has_begun();
    try {
      stop_if_interrupted("half of it is there");
    } catch (const Interrupted& e) {
      expect_or_die(std::string(e.what()) == "interrupted: half of it is there");
      _exit(kByItself);
    }
  };
  EXPECT_EXIT(work(), ExitedWithCode(kByItself), kSaysNothing);
}

// A limit of address space (ulimit -v) counts a thread's stack, and nobody waits for this thread to give it back.
TEST(Interrupts, TheWatchingThreadTakesLittleAndNobodyJoinsIt) {
  const auto busy = [] {
    watched();
    const Unfinished asks([] {
      pthread_attr_t own;
      pthread_getattr_np(pthread_self(), &own);
      std::size_t stack = 0;
      int state = 0;
      pthread_attr_getstacksize(&own, &stack);
      pthread_attr_getdetachstate(&own, &state);
      pthread_attr_destroy(&own);
      return std::to_string(stack >> 10) + " KiB, " + (state == PTHREAD_CREATE_DETACHED ? "detached" : "joinable");
    });
    raise(SIGINT);
    sleep_for(kBusy);
    _exit(kByItself);
  };
  EXPECT_EXIT(busy(), ExitedWithCode(128 + SIGINT), "^interrupted: 1024 KiB, detached\n$");
}
}  // namespace
}  // namespace moesim::core
