# expect: keep \seen $work \flagged
require "imap4flags";
addflag "\\Seen"; addflag ["$Work", "\\flagged"]; addflag "\\SEEN";
