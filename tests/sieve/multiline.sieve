# expect: reject Dear sender,  .dots  I am not here.
require "reject";
reject text:
Dear sender,
..dots
I am not here.
.
;
