# Writes the commit that is being built to FILE, where it differs from what stands there: `moesim --version` says it.
# cmake -DSOURCE=... -DFILE=... -P commit.cmake
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=*
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed OR NOT commit)
  set(commit "not known, built without git")  # of an archive, say
endif()
string(REPLACE "-dirty" ", changed" commit "${commit}")
file(CONFIGURE OUTPUT ${FILE} CONTENT "inline constexpr char kCommit[] = \"${commit}\";\n")
