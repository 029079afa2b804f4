// Who may write a results database: one process at a time, and never over results that are whole.
#pragma once
#include <string>
#include <string_view>

#include "core/descriptor.h"

namespace moesim::results {

/// What a database of ours carries as PRAGMA application_id, and while it is being written.
constexpr int kWhole = 0x6d6f6573, kUnfinished = 0x6d6f6575;  // "moes", "moeu"
/// State of a run that did all simulations asked of it, for an answer that another is to give: whole, too.
constexpr std::string_view kUnanswered = "unanswered";

/// Makes sure that a new database can stand at `file`: what a run that ended early left there is moved aside and said.
/// Throws ConfigError if something else is there, or it is being written, naming the process; or if nothing can be
/// written there.  What may be replaced (core/replacing.h) stays until it is, and has to be a database of ours.
/// Returns the name that it has now, or "" if nothing was moved.  tell: say it.
std::string make_way(const std::string& file, bool tell = true);

/// What is to be done before a new database takes the place of `file`, if that may be replaced: keeps others out of it
/// while the result is held, and removes what SQLite has beside it, which it would take for a part of the new one.
Descriptor before_replacing(const std::string& file);

/// Gives `file`, left by a run that did not end, and what SQLite has beside it the name FILE.unfinished.db (or .db's
/// next free one), says so if it is to tell, and returns the name.
std::string set_aside(const std::string& file, bool tell = true);

/// Moves aside, and says so, the log of a database that was removed without it: SQLite would play it into a new one of
/// that name.
void set_stray_logs_aside(const std::string& file);

/// Removes a database in which nothing was kept, with what SQLite has beside it.
void remove_output(const std::string& file);

/// Keeps others out of `file`, which exists, while it is held.  Close it after the database: closing any descriptor of
/// a file lets go of the locks that SQLite has on it.  Throws ConfigError if another process holds it, naming that.
Descriptor lock_output(const std::string& file);
}  // namespace moesim::results
