#include "core/interrupt.h"

#include <fmt/format.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <map>
#include <mutex>

#include "core/log.h"

namespace moesim::core {
namespace {
// A signal handler and a thread that outlives main have no other place: these are the mutable globals.
std::atomic<int> g_signal{0};
enum class End { none, by_itself, by_watcher };
std::atomic<End> g_end{End::none};
timespec g_asked{};  // written by the first handler alone
sem_t g_heard;

constexpr long kPatience = 400'000'000;  // ns: with saving and printing it stays within half a second
// A closing terminal sends SIGHUP twice, from the kernel and from the shell: one request, not two.
constexpr long kEcho = 100'000'000;  // ns

struct Saves {
  std::recursive_mutex mutex;                        // saving one may end another
  std::map<int, std::function<std::string()>> list;  // by id: the order they were made in
  int next = 0;
};
Saves& saves() {
  static Saves* const all = new Saves;  // never destroyed: the watching thread may be in it at the program's end
  return *all;
}

long nanoseconds_since(const timespec& then) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (now.tv_sec - then.tv_sec) * 1'000'000'000L + now.tv_nsec - then.tv_nsec;
}

void on_signal(int signal) {
  int none = 0;
  if (g_signal.load() == 0) clock_gettime(CLOCK_MONOTONIC, &g_asked);
  if (g_signal.compare_exchange_strong(none, signal)) {
    sem_post(&g_heard);
  } else if (nanoseconds_since(g_asked) > kEcho) {
    _exit(128 + signal);
  }
}

std::string save_all() {
  const std::lock_guard lock(saves().mutex);
  std::string left;
  for (auto it = saves().list.rbegin(); it != saves().list.rend(); ++it) {
    std::string one;
    try {
      one = it->second();
    } catch (const std::exception& e) {
      one = e.what();
    }
    if (!one.empty()) left += (left.empty() ? "" : "; ") + one;
  }
  return left;
}

void* watch(void*) {
  while (sem_wait(&g_heard) != 0 && errno == EINTR) {
  }
  const timespec patience{0, kPatience};
  nanosleep(&patience, nullptr);
  End none = End::none;
  if (!g_end.compare_exchange_strong(none, End::by_watcher)) return nullptr;
  const std::string left = save_all();
  say(Interrupted(left.empty() ? "nothing was written" : left).what());
  _exit(128 + g_signal.load());
}
}  // namespace

void watch_interrupts() {
  static_assert(std::atomic<int>::is_always_lock_free);  // or a handler must not use it
  sem_init(&g_heard, 0, 0);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // the thread inherits it: signals go to the others
  pthread_t thread{};
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small,
                            1 << 20);  // enough for SQLite's checkpoint; 8 MiB would count against a small limit
  if (pthread_create(&thread, &small, watch, nullptr) == 0) pthread_detach(thread);
  pthread_attr_destroy(&small);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction now {};
    sigaction(signal, nullptr, &now);
    if (signal != SIGHUP || now.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
}

bool interrupted() { return g_signal.load(std::memory_order_relaxed) != 0; }
int interrupting_signal() { return g_signal.load(); }

Interrupted::Interrupted(std::string_view what_is_left) : message_(fmt::format("interrupted: {}", what_is_left)) {}

void stop_if_interrupted(std::string_view what_is_left) {
  if (interrupted()) throw Interrupted(what_is_left);
}

void end_has_begun() {
  if (!interrupted()) return;
  End none = End::none;
  if (g_end.compare_exchange_strong(none, End::by_itself) || none == End::by_itself) return;
  for (;;) pause();  // the watching thread is ending the program
}

Unfinished::Unfinished(std::function<std::string()> save) {
  const std::lock_guard lock(saves().mutex);
  id_ = saves().next++;
  saves().list.emplace(id_, std::move(save));
}
Unfinished::~Unfinished() {
  const std::lock_guard lock(saves().mutex);
  saves().list.erase(id_);
}
}  // namespace moesim::core
