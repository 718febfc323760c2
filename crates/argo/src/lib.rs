//! The Argo CD dialect: its resource types, lowering to App, raising to status
