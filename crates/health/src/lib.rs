//! Health of a live object, decided from the object alone
