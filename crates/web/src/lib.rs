//! Pages, JSON and metrics over HTTP; decides nothing
