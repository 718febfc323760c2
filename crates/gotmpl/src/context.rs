//! What functions see of the execution that calls them.

use std::any::Any;

use crate::error::{ExecError, FuncError, Limit};
use crate::exec::Exec;
use crate::limits::Limits;
use crate::set::Set;
use crate::value::Value;

/// What is left of the limits, and the host's own state: shared by an execution and everything it calls.
pub(crate) struct Run<'h> {
    pub(crate) limits: Limits,
    pub(crate) steps_left: u64,
    pub(crate) bytes_left: usize,
    pub(crate) depth: usize,
    host: &'h mut dyn Any,
}

impl<'h> Run<'h> {
    pub(crate) fn new(limits: Limits, host: &'h mut dyn Any) -> Self {
        Self { limits, steps_left: limits.steps, bytes_left: limits.output_bytes, depth: 0, host }
    }

    pub(crate) fn charge(&mut self, steps: u64) -> Result<(), Limit> {
        match self.steps_left.checked_sub(steps) {
            Some(left) => {
                self.steps_left = left;
                Ok(())
            }
            None => {
                self.steps_left = 0;
                Err(Limit::Steps(self.limits.steps))
            }
        }
    }

    pub(crate) fn wrote(&mut self, bytes: usize) -> Result<(), Limit> {
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.bytes_left = left;
                Ok(())
            }
            None => Err(Limit::Output(self.limits.output_bytes)),
        }
    }
}

/// The execution, as the functions it calls see it.
pub struct Context<'a, 'h> {
    pub(crate) set: &'a Set,
    pub(crate) run: &'a mut Run<'h>,
}

impl<'a> Context<'a, '_> {
    /// Returns the set whose template is being executed.
    pub fn set(&self) -> &'a Set {
        self.set
    }

    /// Executes another template of the same set, as Helm's `include` does, and returns its output.
    pub fn execute(&mut self, name: impl AsRef<[u8]>, data: &Value) -> Result<Vec<u8>, ExecError> {
        self.execute_in(self.set, name, data)
    }

    /// Executes a template of another set, as Helm's `tpl` does with a clone of its set that has learned one template
    /// more, and returns its output. Limits and host state stay those of this execution.
    pub fn execute_in(&mut self, set: &Set, name: impl AsRef<[u8]>, data: &Value) -> Result<Vec<u8>, ExecError> {
        Exec::run(set, self.run, name.as_ref(), data, Vec::with_capacity(256))
    }

    /// Returns the host's state.
    ///
    /// # Panics
    ///
    /// If the execution was started with a state of another type, which is a mistake of the host's code.
    pub fn host<T: Any>(&mut self) -> &mut T {
        self.run
            .host
            .downcast_mut()
            .expect("holds because the host starts executions with the state its functions ask for")
    }

    /// Returns the host's state, if it is of this type.
    pub fn try_host<T: Any>(&mut self) -> Option<&mut T> {
        self.run.host.downcast_mut()
    }

    /// Counts steps for work that grows with the arguments: about one for every value made or 100 bytes written.
    pub fn charge(&mut self, steps: u64) -> Result<(), FuncError> {
        Ok(self.run.charge(steps)?)
    }

    /// Counts bytes of a text about to be made, against [`Limits::output_bytes`]. Ask before making it.
    pub fn charge_bytes(&mut self, bytes: usize) -> Result<(), FuncError> {
        Ok(self.run.wrote(bytes)?)
    }

    /// Returns the limits of the execution.
    pub fn limits(&self) -> Limits {
        self.run.limits
    }

    /// Returns how deep the templates are nested now.
    pub fn depth(&self) -> usize {
        self.run.depth
    }
}
